package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

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
	ID control.MediaServerID `path:"id" doc:"Id of the media server."`
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
	return MediaServer{
		ID: s.ID, Instance: s.Instance, Version: s.Version, Region: s.Region, URL: s.URL,
		Availability: s.Availability, Status: s.Status, Capacity: s.Capacity, Load: s.Load, Sessions: sessions,
		Drain: describeDrain(s, sessions), HeartbeatAt: message.Time(s.HeartbeatAt),
	}, err
}

type auditInput struct {
	PageQuery
	Object string `query:"object" maxLength:"128" doc:"Only what was done to this object, such as session:ID."`
	Since  string `query:"since" doc:"Only from this time on (RFC 3339)."`
	Order  string `query:"order" enum:"oldest,newest" default:"oldest" doc:"Which entries come first."`
}

// AuditEntry is who did what to which object, and how it ended.
type AuditEntry struct {
	ID     string       `json:"id"`
	Time   message.Time `json:"time"`
	Actor  string       `json:"actor"`
	Action string       `json:"action"`
	Object string       `json:"object"`
	Reason string       `json:"reason,omitempty"`
	Result string       `json:"result" doc:"ok, or the code of an error."`
}

func (a *admin) audit(ctx context.Context, in *auditInput) (*listOutput[AuditEntry], error) {
	after, err := in.after()
	if err != nil {
		return nil, err
	}
	filter := store.AuditFilter{Object: in.Object, Newest: in.Order == "newest", Limit: in.Limit + 1}
	if filter.AfterTime, filter.AfterID, err = auditPosition(after); err != nil {
		return nil, err
	}
	if in.Since != "" {
		if filter.Since, err = time.Parse(time.RFC3339, in.Since); err != nil {
			return nil, control.Errorf(control.CodeInvalid, "since: an RFC 3339 time is needed")
		}
	}
	found, err := a.Store.Audit.List(ctx, filter)
	if err != nil {
		return nil, fmt.Errorf("list the audit: %w", err)
	}
	list := make([]AuditEntry, len(found))
	for i, e := range found {
		list[i] = AuditEntry{
			ID: e.ID, Time: message.Time(e.Time), Actor: e.Actor, Action: e.Action, Object: e.Object,
			Reason: e.Reason, Result: e.Result,
		}
	}
	return pageOf(list, in.Limit, func(e AuditEntry) string {
		return strconv.FormatInt(time.Time(e.Time).UnixMilli(), 10) + "/" + e.ID
	}), nil
}

// auditPosition is what a cursor of the audit stands for: time and id of an entry, none for the first page. The
// database keeps times in milliseconds.
func auditPosition(key string) (at time.Time, id string, err error) {
	if key == "" {
		return time.Time{}, "", nil
	}
	text, id, _ := strings.Cut(key, "/")
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id == "" {
		return time.Time{}, "", control.Errorf(control.CodeInvalid, "cursor: it is not one that this list gave")
	}
	return time.UnixMilli(ms), id, nil
}

// Replica is a running process of a service.
type Replica struct {
	ID          string       `json:"id"`
	Service     string       `json:"service" enum:"restapi,wrapper"`
	Version     string       `json:"version"`
	State       string       `json:"state" enum:"ready,stopping"`
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
