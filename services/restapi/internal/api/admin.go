package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// admin are the operations of operators.
type admin struct{ *core }

// MediaServer is a media server as operators see it.
type MediaServer struct {
	ID           control.MediaServerID `json:"id"`
	Instance     control.InstanceID    `json:"instance" doc:"One life of its process."`
	Version      string                `json:"version"`
	Region       string                `json:"region"`
	URL          string                `json:"url"`
	Availability control.Availability  `json:"availability" enum:"active,draining,drained"`
	Status       control.Status        `json:"status" enum:"up,suspect,down"`
	Capacity     int                   `json:"capacity" doc:"Pipelines; 0: no limit."`
	Load         control.Load          `json:"load"`
	Sessions     int64                 `json:"sessions" doc:"Sessions with media on it."`
	Drain        *Drain                `json:"drain,omitempty" doc:"Only while it is draining or drained."`
	HeartbeatAt  message.Time          `json:"heartbeatAt"`
	Membership   *ServerMembership     `json:"membership,omitempty" doc:"Missing when the fleet asks for none."`
}

func (a *admin) servers(ctx context.Context, in *PageQuery) (*listOutput[MediaServer], error) {
	after, err := in.after()
	if err != nil {
		return nil, err
	}
	found, err := a.Store.MediaServers.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list media servers: %w", err)
	}
	found = slices.DeleteFunc(found, func(s control.MediaServer) bool { return string(s.ID) <= after })
	slices.SortFunc(found, func(a, b control.MediaServer) int { return strings.Compare(string(a.ID), string(b.ID)) })
	if len(found) > in.Limit+1 {
		found = found[:in.Limit+1]
	}
	list := make([]MediaServer, len(found))
	for i := range found {
		if list[i], err = a.describe(ctx, found[i]); err != nil {
			return nil, err
		}
	}
	return pageOf(list, in.Limit, func(s MediaServer) string { return string(s.ID) }), nil
}

// ServerPath is the path of a media server.
type ServerPath struct {
	ID control.MediaServerID `path:"id" maxLength:"64" doc:"Id of the media server."`
}

type serverOutput struct{ Body MediaServer }

func (a *admin) server(ctx context.Context, in *ServerPath) (*serverOutput, error) {
	found, err := a.Store.MediaServers.Get(ctx, in.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, control.Errorf(control.CodeNotFound, "there is no media server %q", in.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("read media server %s: %w", in.ID, err)
	}
	body, err := a.describe(ctx, found)
	return &serverOutput{Body: body}, err
}

func (a *admin) describe(ctx context.Context, s control.MediaServer) (MediaServer, error) {
	sessions, err := a.Store.Sessions.CountOnServer(ctx, s.ID)
	if err != nil {
		return MediaServer{}, err
	}
	member, err := a.members.of(ctx, s, a.Now())
	return MediaServer{
		ID: s.ID, Instance: s.Instance, Version: s.Version, Region: s.Region, URL: s.URL,
		Availability: s.Availability, Status: s.Status, Capacity: s.Capacity, Load: s.Load, Sessions: sessions,
		Drain: describeDrain(s, sessions), HeartbeatAt: message.Time(s.HeartbeatAt),
		Membership: member,
	}, err
}

// Replica is a running process of a service.
type Replica struct {
	ID          string       `json:"id"`
	Service     string       `json:"service" enum:"restapi,wrapper"`
	Version     string       `json:"version"`
	State       string       `json:"state" enum:"ready,unready,stopping"`
	StartedAt   message.Time `json:"startedAt"`
	HeartbeatAt message.Time `json:"heartbeatAt"`
}

func (a *admin) replicas(ctx context.Context, in *PageQuery) (*listOutput[Replica], error) {
	after, err := in.after()
	if err != nil {
		return nil, err
	}
	var list []Replica
	for _, collection := range []*store.Replicas{a.Store.RestAPIs, a.Store.Wrappers} {
		found, err := collection.List(ctx)
		if err != nil {
			return nil, fmt.Errorf("list replicas: %w", err)
		}
		for _, r := range found {
			list = append(list, Replica{
				ID: r.ID, Service: r.Service, Version: r.Version, State: r.State,
				StartedAt: message.Time(r.StartedAt), HeartbeatAt: message.Time(r.HeartbeatAt),
			})
		}
	}
	key := func(r Replica) string { return r.Service + "/" + r.ID }
	list = slices.DeleteFunc(list, func(r Replica) bool { return key(r) <= after })
	slices.SortFunc(list, func(a, b Replica) int { return strings.Compare(key(a), key(b)) })
	return pageOf(list, in.Limit, key), nil
}
