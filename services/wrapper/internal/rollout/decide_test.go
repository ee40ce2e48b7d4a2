package rollout_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/wrapper/internal/rollout"
)

// stage is a model with one leader.
type stage struct {
	*model
	t      *testing.T
	leader *rollout.Leader
}

func newStage(t *testing.T, percent int, list ...control.MediaServer) *stage {
	t.Helper()
	m := newModel(list...)
	m.start("r", "v2", percent)
	return &stage{m, t, rollout.New("w", m, servers{m}, audit{m}, nil, slog.New(slog.DiscardHandler))}
}

// look looks after so long, and gives what the rollout is then.
func (s *stage) look(after time.Duration) control.Rollout {
	s.t.Helper()
	s.now = s.now.Add(after)
	if err := s.leader.Look(s.t.Context(), s.now); err != nil {
		s.t.Fatal(err)
	}
	return *s.rollout("r")
}

// drained are the servers that are out of service.
func (s *stage) drained() string {
	var ids []string
	for _, server := range s.servers {
		if server.Availability != control.AvailabilityActive {
			ids = append(ids, string(server.ID))
		}
	}
	return strings.Join(ids, " ")
}

func (s *stage) wantDrained(want string) {
	s.t.Helper()
	if got := s.drained(); got != want {
		s.t.Fatalf("out of service: %q, want %q; %+v", got, want, s.rollout("r"))
	}
}

// fleetOf is n servers of v1.
func fleetOf(n int) (list []control.MediaServer) {
	for i := range n {
		list = append(list, server(control.MediaServerID(fmt.Sprint("m", i)), "v1"))
	}
	return list
}

func TestLook_ShareByShareInPlace(t *testing.T) {
	s := newStage(t, 34, fleetOf(3)...)
	phases := []control.RolloutPhase{s.look(0).Share.Phase}
	s.wantDrained("m0 m1") // 34% of 3 is more than one
	if d := s.server("m0").Drain; d.By != "rollout:r" || d.Then != control.DrainRelocate ||
		!d.Deadline.Equal(began.Add(time.Hour)) {
		t.Fatalf("drained by %+v", d)
	}
	phases = append(phases, s.look(time.Hour).Share.Phase)
	s.emptied("m0")
	s.emptied("m1")
	phases = append(phases, s.look(time.Second).Share.Phase)
	s.restarts("m0", "v2")
	if r := s.look(time.Second); r.Share.Servers[0].ReplacedBy != "m0" || r.Replaced != 0 || r.Total != 3 {
		t.Fatalf("one of two restarted: %+v", r)
	}
	s.restarts("m1", "v2")
	if r := s.look(time.Second); r.Share.Number != 2 || r.Replaced != 2 {
		t.Fatalf("both restarted: %+v", r)
	}
	s.wantDrained("m2")
	s.emptied("m2")
	s.restarts("m2", "v2")
	if r := s.look(time.Second); r.State != control.RolloutDone || r.Replaced != 3 || r.Shares != 2 || r.EndedAt == nil {
		t.Fatalf("all restarted: %+v", r)
	}
	if want := []control.RolloutPhase{"draining", "relocating", "replacing"}; !slices.Equal(phases, want) {
		t.Errorf("phases %v, want %v", phases, want)
	}
	s.wantDrained("")
}

func TestLook_BlueGreen(t *testing.T) {
	s := newStage(t, 50, append(fleetOf(2), server("n0", "v2"), server("n1", "v2"))...)
	s.look(0)
	s.wantDrained("m0")
	s.emptied("m0")
	s.look(time.Second)
	s.wantDrained("m0 m1")
	s.emptied("m1")
	if r := s.look(time.Second); r.State != control.RolloutDone || r.Replaced != 2 {
		t.Fatalf("not done: %+v", r)
	}
	s.look(time.Hour)
	s.wantDrained("m0 m1") // nobody makes the old ones serve again
}

func TestLook_TheLastOfARegionStays(t *testing.T) {
	inEU := func(s *control.MediaServer) { s.Region = "eu" }
	s := newStage(t, 100, server("m0", "v1", inEU), server("m1", "v1"))
	if r := s.look(0); r.Share != nil || !strings.Contains(r.Reason, `m0 is the last active server of region "eu"`) {
		t.Fatalf("took %+v, reason %q", r.Share, r.Reason)
	}
	s.servers = append(s.servers, server("n0", "v2", inEU))
	if r := s.look(time.Second); r.Reason != "" {
		t.Fatalf("it still waits: %q", r.Reason)
	}
	s.wantDrained("m0")
}

func TestLook_NoRoomForItsSessions(t *testing.T) {
	full := func(s *control.MediaServer) { s.Capacity, s.Load.Pipelines = 10, 6 }
	s := newStage(t, 50, server("m0", "v1", full), server("m1", "v1", full))
	if r := s.look(0); r.Share != nil || !strings.Contains(r.Reason, "can take 4 sessions and not the 6 of m0") {
		t.Fatalf("took %+v, reason %q", r.Share, r.Reason)
	}
	s.server("m1").Load.Pipelines = 4
	s.look(time.Second)
	s.wantDrained("m0")
}

func TestLook_OperatorsDrainsAreTheirs(t *testing.T) {
	s := newStage(t, 100, fleetOf(2)...)
	m0 := s.server("m0")
	m0.Availability, m0.Drain = control.AvailabilityDraining, &control.Drain{By: "key:ops"}
	s.servers = append(s.servers, server("n0", "v2"))
	s.look(0)
	s.emptied("m1")
	s.restarts("m1", "v2")
	if r := s.look(time.Second); r.State != control.RolloutRunning || !strings.Contains(r.Reason, "m0") {
		t.Fatalf("it does not wait: %+v", r)
	}
	if by := s.server("m0").Drain.By; by != "key:ops" {
		t.Fatalf("m0 is drained by %s now", by)
	}
	s.emptied("m0")
	if r := s.look(time.Second); r.State != control.RolloutDone || r.Total != 1 {
		t.Fatalf("not done: %+v", r)
	}
}

func TestLook_PauseFinishesTheShareOnly(t *testing.T) {
	s := newStage(t, 50, fleetOf(2)...)
	s.look(0)
	s.pause("r")
	s.emptied("m0")
	s.restarts("m0", "v2")
	if r := s.look(time.Second); r.State != control.RolloutPaused || r.Replaced != 1 || r.Share != nil {
		t.Fatalf("the share was not finished: %+v", r)
	}
	s.look(time.Hour)
	s.wantDrained("")
	s.resume("r")
	s.look(time.Second)
	s.wantDrained("m1")
}

func TestLook_AbortMakesOldServersServeAgain(t *testing.T) {
	s := newStage(t, 50, fleetOf(4)...)
	s.look(0)
	s.wantDrained("m0 m1")
	s.emptied("m0")
	s.abort("r")
	s.look(time.Second)
	s.wantDrained("")
}

// Stopping gives back what is still in use; what is empty may be about to be restarted.
func TestLook_StopsWhenNothingComesInTheirPlace(t *testing.T) {
	s := newStage(t, 50, fleetOf(4)...)
	s.look(0)
	s.emptied("m0")
	s.emptied("m1")
	s.look(time.Second)
	s.restarts("m0", "v2")
	s.look(time.Hour - time.Second)
	r := s.look(time.Second)
	if r.State != control.RolloutStopped || !strings.Contains(r.Reason, "in the place of m1 within 1h") {
		t.Fatalf("it is %s: %s", r.State, r.Reason)
	}
	s.wantDrained("m1")
	s.resume("r")
	if r = s.look(time.Hour - time.Second); r.State != control.RolloutRunning {
		t.Fatalf("resumed, it has no time: %s", r.Reason)
	}
	s.restarts("m1", "v2")
	s.look(time.Second)
	s.look(time.Second)
	s.wantDrained("m2 m3")
}

func TestLook_StopsWhenANewServerIsLost(t *testing.T) {
	cases := map[string]struct {
		happens func(*stage)
		stops   bool
	}{
		"it dies":                      {func(s *stage) { s.dies("n0") }, true},
		"it restarts by itself":        {func(s *stage) { s.restarts("n0", "v2") }, true},
		"it is taken back unannounced": {func(s *stage) { s.restarts("n0", "v1") }, true},
		"an old one dies":              {func(s *stage) { s.dies("m2") }, false},
		"it is drained and ends": {func(s *stage) {
			n0 := s.server("n0")
			n0.Availability, n0.Drain = control.AvailabilityDraining, &control.Drain{By: control.DrainBySignal}
			s.look(time.Second)
			s.emptied("n0")
			s.dies("n0")
		}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, 1, append(fleetOf(4), server("n0", "v2"))...)
			s.look(0)
			c.happens(s)
			r := s.look(time.Second)
			if stopped := r.State == control.RolloutStopped; stopped != c.stops {
				t.Fatalf("it is %s (%s), lost %+v and %+v", r.State, r.Reason, r.Old, r.New)
			}
			if c.stops {
				if !strings.Contains(r.Reason, "n0") {
					t.Errorf("reason %q does not name it", r.Reason)
				}
				s.wantDrained("") // m0 was being drained
			} else if name == "an old one dies" && r.Old.ServersLost != 1 {
				t.Errorf("lost %+v", r.Old)
			}
		})
	}
}

func TestLook_StopsWhenConnectionsFailMoreOften(t *testing.T) {
	cases := map[string]struct {
		oldConnected, oldFailed, newConnected, newFailed int64
		stops                                            bool
	}{
		"nothing happens":               {0, 0, 0, 0, false},
		"all fails, too few to tell":    {0, 0, 0, 19, false},
		"few fail of many":              {100, 0, 95, 5, false},
		"more fail":                     {100, 0, 93, 7, true},
		"as on the old ones":            {80, 20, 80, 20, false},
		"twice as many and five points": {90, 10, 75, 25, false},
		"more than that":                {90, 10, 74, 26, true},
		"four of twenty":                {20, 0, 16, 4, false},
		"five of twenty":                {20, 0, 15, 5, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, 1, append(fleetOf(4), server("n0", "v2", func(n *control.MediaServer) {
				n.Load.ConnectionsFailed = 1000 // before the rollout
			}))...)
			s.look(0)
			s.server("m3").Load.ConnectionsConnected += c.oldConnected
			s.server("m3").Load.ConnectionsFailed += c.oldFailed
			s.server("n0").Load.ConnectionsConnected += c.newConnected
			s.server("n0").Load.ConnectionsFailed += c.newFailed
			r := s.look(10 * time.Second)
			if stopped := r.State == control.RolloutStopped; stopped != c.stops {
				t.Fatalf("it is %s (%s)", r.State, r.Reason)
			}
			if r.New.Connected != c.newConnected || r.Old.Failed != c.oldFailed {
				t.Fatalf("counted %+v and %+v", r.Old, r.New)
			}
			if again := s.look(time.Minute); again.New != r.New {
				t.Fatalf("counted twice: %+v", again.New)
			}
		})
	}
}

// What a server counted before it came back with the new version does not count, and all of what it counts then does.
func TestLook_ANewInstanceIsCountedFromItsBeginning(t *testing.T) {
	s := newStage(t, 50, fleetOf(2)...)
	s.server("m0").Load.ConnectionsFailed = 50
	s.look(0)
	s.emptied("m0")
	s.look(time.Second)
	s.restarts("m0", "v2")
	s.server("m0").Load.ConnectionsConnected = 7
	s.look(time.Second)
	if r := s.look(10 * time.Second); r.New != (control.RolloutOutcome{Connected: 7}) || r.Old.Failed != 0 {
		t.Fatalf("counted %+v and %+v", r.Old, r.New)
	}
}

func TestDecide_IdlesWithoutWriting(t *testing.T) {
	s := newStage(t, 50, fleetOf(4)...)
	s.look(0)
	before := s.look(time.Second)
	for range 100 {
		s.server("m3").Load.Pipelines++
		if r := s.look(time.Second); r.Revision != before.Revision {
			t.Fatalf("revision %d after %d", r.Revision, before.Revision)
		}
	}
}
