package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

const (
	defaultDrainTimeout = time.Hour
	maxDrainTimeout     = 7 * 24 * time.Hour
)

// Drain is how a media server is being emptied.
//
//nolint:lll // one field, one line
type Drain struct {
	Since     message.Time      `json:"since"`
	Deadline  message.Time      `json:"deadline"`
	Then      control.DrainThen `json:"then" enum:"relocate,wait" doc:"What happens at the deadline to the sessions that are left."`
	By        string            `json:"by" doc:"Who drains it: key:NAME, rollout:ID, or signal: its process was asked to end."`
	Remaining int64             `json:"remaining" doc:"Sessions that still have media there."`
	Waiting   string            `json:"waiting,omitempty" doc:"Why they cannot be relocated, if that is so."`
}

// describeDrain is nil for a server that is active.
func describeDrain(s control.MediaServer, sessions int64) *Drain {
	if s.Drain == nil {
		return nil
	}
	return &Drain{
		Since: message.Time(s.Drain.Since), Deadline: message.Time(s.Drain.Deadline), Then: s.Drain.Then, By: s.Drain.By,
		Remaining: sessions, Waiting: s.Drain.Waiting,
	}
}

// NewDrain is what POST .../drain takes.
//
//nolint:lll // one field, one line
type NewDrain struct {
	Timeout string            `json:"timeout,omitempty" minLength:"1" doc:"How long the sessions have to end by themselves, 0s to 168h; else 1h."`
	Then    control.DrainThen `json:"then,omitempty" enum:"relocate,wait" default:"relocate" doc:"What happens to those that are left then: they are moved to other servers while their media goes on, or waited for."`
}

// drain empties a media server, or changes how that is done. One that is drained already stays so.
func (a *admin) drain(ctx context.Context, in *struct {
	ServerPath
	Body *NewDrain
},
) (*serverOutput, error) {
	wanted := NewDrain{}
	if in.Body != nil {
		wanted = *in.Body
	}
	timeout, err := durationOf("timeout", wanted.Timeout, defaultDrainTimeout, 0, maxDrainTimeout)
	if err != nil {
		return nil, err
	}
	now := a.Now().UTC()
	drain := control.Drain{
		Since: now, Deadline: now.Add(timeout), Then: control.DrainRelocate, By: callOf(ctx).principal.Actor(),
	}
	if wanted.Then != "" {
		drain.Then = wanted.Then
	}
	err = a.change(ctx, in.ID, control.AvailabilityDrained, a.Store.MediaServers.Drain(ctx, in.ID, drain))
	err = a.audited(ctx, "server.drain", serverObject(in.ID), fmt.Sprintf("%s, then %s", timeout, drain.Then), err)
	if err != nil {
		return nil, err
	}
	return a.server(ctx, &in.ServerPath)
}

// undrain has a media server given work again. One that is active stays so.
func (a *admin) undrain(ctx context.Context, in *ServerPath) (*struct{}, error) {
	err := a.rolledOut(ctx, in.ID)
	if err == nil {
		err = a.change(ctx, in.ID, control.AvailabilityActive, a.Store.MediaServers.Undrain(ctx, in.ID))
	}
	return nil, a.audited(ctx, "server.undrain", serverObject(in.ID), "", err)
}

// rolledOut is a conflict if a rollout drains a server: it would begin again at once.
func (a *admin) rolledOut(ctx context.Context, id control.MediaServerID) error {
	live, err := a.Store.Rollouts.Live(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	server, err := a.Store.MediaServers.Get(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if !live.Drains(server) {
		return nil
	}
	return control.Errorf(control.CodeConflict, "media server %s is drained for rollout %s, which is %s: abort that first",
		id, live.ID, live.State)
}

// change explains a lost guard; it is none if the server is what it was to become already.
func (a *admin) change(ctx context.Context, id control.MediaServerID, to control.Availability, err error) error {
	if !errors.Is(err, store.ErrGuard) {
		return err
	}
	found, err := a.Store.MediaServers.Get(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return control.Errorf(control.CodeNotFound, "there is no media server %q", id)
	case err != nil:
		return err
	case found.Availability == to:
		return nil
	case found.Status == control.StatusDown:
		return control.Errorf(control.CodeConflict, "media server %s is down: there is nothing to drain", id)
	default:
		return &control.Error{
			Code: control.CodeConflict, Detail: fmt.Sprintf("media server %s has just become %s", id, found.Availability),
			RetryAfter: time.Second,
		}
	}
}

func serverObject(id control.MediaServerID) string { return "server:" + string(id) }
