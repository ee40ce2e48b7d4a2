package rollout_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/wrapper/internal/rollout"
)

// Servers of the new version that are up and refused as members take no sessions: they replace nobody, and are no reason
// to drain the last server that does take some.
func TestRollout_ServersThatAreRefusedStandInForNobody(t *testing.T) {
	refused := map[control.MediaServerID]bool{"new0": true, "new1": true}
	m := newModel(append(fleetOf(2), server("new0", "v2"), server("new1", "v2"))...)
	m.start("r", "v2", 50)
	leader := rollout.New("w", m, servers{m}, audit{m}, func(s control.MediaServer) string {
		if refused[s.ID] {
			return "membership missing"
		}
		return ""
	}, slog.New(slog.DiscardHandler))
	s := &stage{m, t, leader}

	s.look(0)
	s.wantDrained("m0")
	s.emptied("m0")
	s.look(time.Second)
	s.look(time.Second)
	s.wantDrained("m0")
	if r := s.look(2 * time.Hour); r.State != control.RolloutStopped || !strings.Contains(r.Reason, "in the place of m0") {
		t.Fatalf("%s: %s", r.State, r.Reason)
	}

	s.resume("r")
	delete(refused, "new0")
	s.look(time.Second)
	s.look(time.Second)
	s.wantDrained("m0 m1") // m0 has new0 in its place
}

// As long as all others are refused, the one that is left is not drained at all.
func TestRollout_ServersThatAreRefusedAreNoRoom(t *testing.T) {
	m := newModel(append(fleetOf(1), server("new0", "v2"))...)
	m.start("r", "v2", 100)
	leader := rollout.New("w", m, servers{m}, audit{m}, func(s control.MediaServer) string {
		return strings.TrimPrefix(s.Version, "v1")
	}, slog.New(slog.DiscardHandler))
	s := &stage{m, t, leader}
	if r := s.look(0); s.drained() != "" || !strings.Contains(r.Reason, "m0 is the last active server") {
		t.Fatalf("out of service: %q, %s", s.drained(), r.Reason)
	}
}
