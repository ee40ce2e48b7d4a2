package killswitch

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/orkestro/orkestro/cmd/orkestro/internal/fleet"
	"github.com/orkestro/orkestro/cmd/orkestro/internal/operator"
	"github.com/orkestro/orkestro/pkg/control"
)

// maxSessions bounds a view; a call to look at is among the last.
const maxSessions = 200

// view is a media server as the page shows it.
type view struct {
	ID         string      `json:"id"`
	State      fleet.State `json:"state"`
	StartsInMS int64       `json:"startsInMs"` // of a killed one
	BitrateIn  int64       `json:"bitrateIn"`  // bits per second
	BitrateOut int64       `json:"bitrateOut"`
	Endpoints  int         `json:"endpoints"`
	Sessions   []session   `json:"sessions"`
}

// session is a session with its pipeline on a server.
type session struct {
	ID    string `json:"id"`
	Users int    `json:"users"`
	Epoch int64  `json:"epoch"`
}

// list answers with all servers.
func (h *handler) list(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	views, err := h.look(ctx)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, control.CodeUnavailable, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(views) // the page is gone: nobody left to tell
}

func (h *handler) look(ctx context.Context) ([]view, error) {
	known, err := h.api.Servers(ctx)
	if err != nil {
		return nil, err
	}
	active, err := h.api.Sessions(ctx, operator.SessionFilter{State: "active", Limit: maxSessions})
	if err != nil {
		return nil, err
	}
	views := make([]view, len(h.servers))
	for i, server := range h.servers {
		v := view{ID: server.ID(), Sessions: []session{}}
		state, startsIn := server.State()
		v.State, v.StartsInMS = state, startsIn.Milliseconds()
		for _, k := range known {
			if k.ID == v.ID && state == fleet.Running { // the load of a dead one is what it was
				v.BitrateIn, v.BitrateOut, v.Endpoints = k.Load.BitrateIn, k.Load.BitrateOut, k.Load.Endpoints
			}
		}
		for _, s := range active {
			if s.Server() == v.ID {
				v.Sessions = append(v.Sessions, session{ID: s.ID, Users: s.Users, Epoch: s.Epoch})
			}
		}
		views[i] = v
	}
	return views, nil
}
