package rollout_test

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/services/wrapper/internal/rollout"
)

var (
	began    = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	errFails = errors.New("the store is away")
)

// model is a fleet in memory: its store, with the guards of the real one, and what media servers and those who run them
// do by themselves.
type model struct {
	now      time.Time
	servers  []control.MediaServer
	rollouts []control.Rollout
	audit    map[string]control.AuditEntry
	births   int

	// What leaders read may be of this moment on, as if they had been frozen since; nil: they see what is.
	frozen *model
	// failIn calls from now the store fails, once; 0: it does not.
	failIn int
}

func newModel(servers ...control.MediaServer) *model {
	return &model{now: began, servers: servers, audit: map[string]control.AuditEntry{}}
}

func server(id control.MediaServerID, version string, change ...func(*control.MediaServer)) control.MediaServer {
	s := control.MediaServer{
		ID: id, Instance: control.InstanceID(id + "/0"), Version: version, Status: control.StatusUp,
		Availability: control.AvailabilityActive, StartedAt: began,
	}
	for _, c := range change {
		c(&s)
	}
	return s
}

func (m *model) start(id control.RolloutID, to string, percent int) {
	m.rollouts = append(m.rollouts, control.Rollout{
		ID: id, To: to, Percent: percent, Timeout: time.Hour, State: control.RolloutRunning, StartedAt: m.now, Since: m.now,
	})
}

// snapshot is what the store holds now.
func (m *model) snapshot() *model {
	return &model{servers: slices.Clone(m.servers), rollouts: slices.Clone(m.rollouts)}
}

func (m *model) seen() *model {
	if m.frozen != nil {
		return m.frozen
	}
	return m
}

func (m *model) fails() error {
	if m.failIn > 0 {
		if m.failIn--; m.failIn == 0 {
			return errFails
		}
	}
	return nil
}

// Live implements rollout.Rollouts.
func (m *model) Live(context.Context) (control.Rollout, error) {
	if err := m.fails(); err != nil {
		return control.Rollout{}, err
	}
	for _, r := range m.seen().rollouts {
		if r.State.Live() {
			return r, nil
		}
	}
	return control.Rollout{}, store.ErrNotFound
}

// Get implements rollout.Rollouts.
func (m *model) Get(_ context.Context, id control.RolloutID) (control.Rollout, error) {
	for _, r := range m.seen().rollouts {
		if r.ID == id {
			return r, m.fails()
		}
	}
	return control.Rollout{}, store.ErrNotFound
}

func (m *model) rollout(id control.RolloutID) *control.Rollout {
	for i := range m.rollouts {
		if m.rollouts[i].ID == id {
			return &m.rollouts[i]
		}
	}
	return nil
}

// Step implements rollout.Rollouts.
func (m *model) Step(_ context.Context, next control.Rollout) error {
	if err := m.fails(); err != nil {
		return err
	}
	r := m.rollout(next.ID)
	if r.Revision != next.Revision {
		return store.ErrGuard
	}
	next.Revision++
	*r = next
	return nil
}

// steer is what an operator does to a rollout.
func (m *model) steer(id control.RolloutID, change func(*control.Rollout)) {
	r := m.rollout(id)
	r.Revision++
	change(r)
}

func (m *model) pause(id control.RolloutID) {
	if m.rollout(id).State == control.RolloutRunning {
		m.steer(id, func(r *control.Rollout) { r.State = control.RolloutPaused })
	}
}

func (m *model) resume(id control.RolloutID) {
	if s := m.rollout(id).State; s == control.RolloutPaused || s == control.RolloutStopped {
		m.steer(id, func(r *control.Rollout) {
			r.State, r.Reason, r.Since, r.Watched, r.LookedAt = control.RolloutRunning, "", m.now, nil, nil
			r.Old, r.New = control.RolloutOutcome{}, control.RolloutOutcome{}
		})
	}
}

func (m *model) abort(id control.RolloutID) {
	if m.rollout(id).State.Live() {
		m.steer(id, func(r *control.Rollout) { r.State = control.RolloutAborted })
	}
}

// servers are the media servers of a model, as rollout.Servers.
type servers struct{ *model }

// List implements rollout.Servers.
func (s servers) List(context.Context) ([]control.MediaServer, error) {
	return slices.Clone(s.seen().servers), s.fails()
}

func (m *model) server(id control.MediaServerID) *control.MediaServer {
	for i := range m.servers {
		if m.servers[i].ID == id {
			return &m.servers[i]
		}
	}
	return nil
}

// DrainInstance implements rollout.Servers.
func (s servers) DrainInstance(
	_ context.Context, id control.MediaServerID, instance control.InstanceID, drain control.Drain,
) error {
	if err := s.fails(); err != nil {
		return err
	}
	m := s.server(id)
	ours := m.Availability == control.AvailabilityDraining && m.Drain.By == drain.By
	if m.Instance != instance || m.Availability != control.AvailabilityActive && !ours {
		return store.ErrGuard
	}
	m.Availability, m.Drain = control.AvailabilityDraining, &drain
	return nil
}

// EndDrain implements rollout.Servers.
func (s servers) EndDrain(_ context.Context, id control.MediaServerID, drain control.Drain) error {
	if err := s.fails(); err != nil {
		return err
	}
	m := s.server(id)
	if m.Drain == nil || m.Drain.By != drain.By || !m.Drain.Since.Equal(drain.Since) {
		return store.ErrGuard
	}
	m.Availability, m.Drain = control.AvailabilityActive, nil
	return nil
}

// audit is that of a model, as rollout.Audit.
type audit struct{ *model }

// Append implements rollout.Audit.
func (a audit) Append(_ context.Context, entry control.AuditEntry) error {
	if err := a.fails(); err != nil {
		return err
	}
	if _, found := a.audit[entry.ID]; !found {
		a.audit[entry.ID] = entry
	}
	return nil
}

// List implements rollout.Rollouts.
func (m *model) List(context.Context, control.RolloutID, int) ([]control.Rollout, error) {
	return slices.Clone(m.seen().rollouts), m.fails()
}

// emptied is a server whose sessions have ended or were moved.
func (m *model) emptied(id control.MediaServerID) {
	if s := m.server(id); s.Availability == control.AvailabilityDraining {
		s.Availability = control.AvailabilityDrained
	}
}

func (m *model) dies(id control.MediaServerID) { m.server(id).Status = control.StatusDown }

// restarts is a server that registers again under a version, with what the store makes of that.
func (m *model) restarts(id control.MediaServerID, version string) {
	s := m.server(id)
	m.births++
	drain := s.Drain
	if drain != nil && (drain.By == control.DrainBySignal || version != s.Version) {
		drain, s.Availability = nil, control.AvailabilityActive
	}
	*s = control.MediaServer{
		ID: id, Instance: control.InstanceID(string(id) + "/" + time.Duration(m.births).String()), Version: version,
		Status: control.StatusUp, Availability: s.Availability, Drain: drain, Region: s.Region, StartedAt: m.now,
	}
}

// drainedBy counts the servers of other versions that a rollout has out of service and nothing in their place. One that
// died while it was drained and came back still is, and takes nothing from anybody.
func (m *model) drainedBy(id control.RolloutID) (count int) {
	r := m.rollout(id)
	for _, s := range m.servers {
		if s.Drain == nil || s.Drain.By != rollout.By(id) || s.Version == r.To || s.Status == control.StatusDown {
			continue
		}
		e := r.Share.Find(s.ID)
		takes := s.Availability == control.AvailabilityDraining && !s.StartedAt.After(s.Drain.Since)
		if takes || e != nil && e.State != control.RolloutServerReplaced {
			count++
		}
	}
	return count
}
