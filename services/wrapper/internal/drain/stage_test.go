package drain_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/services/wrapper/internal/drain"
)

// stage is a media server m with sessions on it, and a drainer that looks when it is told to.
type stage struct {
	t       *testing.T
	now     time.Time
	drainer *drain.Drainer

	mu       sync.Mutex
	server   control.MediaServer
	on       map[control.SessionID]*store.SessionSummary
	sent     map[control.SessionID]int
	letters  []broker.Message
	asked    []control.SessionID // since the last move
	audit    []string
	entries  map[string]bool
	noRoomIn string
	warnings int

	failAudit bool
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{
		t: t, now: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC), on: map[control.SessionID]*store.SessionSummary{},
		sent: map[control.SessionID]int{}, entries: map[string]bool{},
		server: control.MediaServer{
			ID: "m", Instance: "i", Status: control.StatusUp, Availability: control.AvailabilityActive,
		},
	}
	s.newLeader()
	return s
}

func names(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("s%02d", i)
	}
	return list
}

func (s *stage) newLeader() {
	s.drainer = drain.New(drain.Deps{
		Wrapper: "w", Servers: servers{s}, Sessions: s, Sender: s, Audit: audit{s}, Room: s.room, Log: slog.New(counter{s}),
	})
}

func (s *stage) drain(timeout time.Duration, then control.DrainThen) {
	s.server.Availability = control.AvailabilityDraining
	s.server.Drain = &control.Drain{Since: s.now, Deadline: s.now.Add(timeout), Then: then, By: "key:ops"}
}

func (s *stage) sessions(ids ...string) {
	for _, id := range ids {
		s.on[control.SessionID(id)] = &store.SessionSummary{
			ID: control.SessionID(id), State: control.SessionActive, Epoch: 1,
			Pipeline: &control.PipelineRef{ID: "p-" + id, Server: "m", Instance: "i"},
		}
	}
}

func (s *stage) end(ids ...string) {
	for _, id := range ids {
		delete(s.on, control.SessionID(id))
	}
}

// look has a heartbeat come and the drainer look, after a time.
func (s *stage) look(after time.Duration) {
	s.t.Helper()
	s.server.HeartbeatAt = s.server.HeartbeatAt.Add(time.Second)
	s.lookSilent(after)
}

func (s *stage) lookSilent(after time.Duration) {
	s.t.Helper()
	s.now = s.now.Add(after)
	if err := s.drainer.Look(s.t.Context(), s.now); err != nil && !s.failAudit {
		s.t.Fatal(err)
	}
}

// move has those go that are moving, and those begin to move that were asked since, where there is room.
func (s *stage) move() {
	for id, sess := range s.on {
		if sess.Relocation != nil {
			delete(s.on, id)
		}
	}
	for _, id := range s.asked {
		if sess := s.on[id]; sess != nil && s.room(sess.Region, "m") == "" {
			sess.Relocation = &control.Relocation{From: *sess.Pipeline, Epoch: sess.Epoch}
			sess.Pipeline, sess.Epoch = &control.PipelineRef{ID: "q-" + string(id), Server: "n"}, 2
		}
	}
	s.asked = nil
}

func (s *stage) moving() int {
	n := 0
	for _, sess := range s.on {
		if sess.Relocation != nil {
			n++
		}
	}
	return n
}

func (s *stage) room(region string, _ control.MediaServerID) string {
	if region != "" && region == s.noRoomIn {
		return "no room in " + region
	}
	return ""
}

// CountOnServer implements drain.Sessions.
func (s *stage) CountOnServer(context.Context, control.MediaServerID) (int64, error) {
	return int64(len(s.on)), nil
}

// OnServer implements drain.Sessions.
func (s *stage) OnServer(context.Context, control.MediaServerID) ([]store.SessionSummary, error) {
	var list []store.SessionSummary
	for _, sess := range s.on {
		list = append(list, *sess)
	}
	return list, nil
}

// Send implements drain.Sender.
func (s *stage) Send(_ context.Context, _ string, m broker.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent[control.SessionID(m.Session)]++
	s.letters = append(s.letters, m)
	s.asked = append(s.asked, control.SessionID(m.Session))
	return nil
}

// servers is the store of the one server.
type servers struct{ *stage }

func (s servers) List(context.Context) ([]control.MediaServer, error) {
	server := s.server
	if server.Drain != nil {
		drain := *server.Drain
		server.Drain = &drain
	}
	return []control.MediaServer{server}, nil
}

func (s servers) NoteDrain(
	_ context.Context, _ control.MediaServerID, _ time.Time, remaining int64, waiting string,
) error {
	s.server.Drain.Remaining, s.server.Drain.Waiting = remaining, waiting
	return nil
}

func (s servers) SetDrained(context.Context, control.MediaServer) error {
	s.server.Availability = control.AvailabilityDrained
	s.server.Drain.Remaining, s.server.Drain.Waiting = 0, ""
	return nil
}

func (s servers) EndDrain(context.Context, control.MediaServerID, control.Drain) error {
	s.server.Availability, s.server.Drain = control.AvailabilityActive, nil
	return nil
}

// audit keeps one entry for each id.
type audit struct{ *stage }

func (a audit) Append(_ context.Context, e control.AuditEntry) error {
	if a.failAudit {
		return errors.New("the leader dies")
	}
	if !a.entries[e.ID] {
		a.entries[e.ID] = true
		a.audit = append(a.audit, e.Actor+" "+e.Action+" "+e.Object+" "+e.Reason+" "+e.Result)
	}
	return nil
}

// counter counts warnings.
type counter struct{ s *stage }

func (counter) Enabled(context.Context, slog.Level) bool { return true }

func (c counter) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		c.s.warnings++
	}
	return nil
}

func (c counter) WithAttrs([]slog.Attr) slog.Handler { return c }
func (c counter) WithGroup(string) slog.Handler      { return c }
