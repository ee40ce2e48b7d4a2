package harness

import (
	"context"
	"fmt"
	"net/http"
)

// Placement is where a session is.
type Placement struct {
	Server *Process
	Epoch  int64
}

// Placement finds the media server that has a session's pipeline.
func (f *Fleet) Placement(ctx context.Context, session string) (Placement, error) {
	var found struct {
		Epoch    int64 `json:"epoch"`
		Pipeline struct {
			Server string `json:"server"`
		} `json:"pipeline"`
	}
	_, err := f.API.Do(ctx, Request{Method: http.MethodGet, Path: "/v1/sessions/" + session}, &found)
	if err != nil {
		return Placement{}, err
	}
	for _, server := range f.MediaServers {
		if server.Name == found.Pipeline.Server {
			return Placement{Server: server, Epoch: found.Epoch}, nil
		}
	}
	return Placement{}, fmt.Errorf("session %s is on %q, which is none of ours", session, found.Pipeline.Server)
}

// ServerSight is a media server as the API shows it.
type ServerSight struct {
	ID           string `json:"id"`
	Status       string `json:"status"`
	Availability string `json:"availability"`
	Sessions     int    `json:"sessions"`
	Load         struct {
		Pipelines int `json:"pipelines"`
	} `json:"load"`
}

// Servers lists the media servers by id.
func (f *Fleet) Servers(ctx context.Context) (map[string]ServerSight, error) {
	var list struct {
		Items []ServerSight `json:"items"`
	}
	_, err := f.API.Do(ctx, Request{Method: http.MethodGet, Path: "/v1/admin/servers"}, &list)
	servers := make(map[string]ServerSight, len(list.Items))
	for _, server := range list.Items {
		servers[server.ID] = server
	}
	return servers, err
}
