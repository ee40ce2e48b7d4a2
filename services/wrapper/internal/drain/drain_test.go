package drain_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
)

func TestLook_WaitsUntilTheSessionsHaveEnded(t *testing.T) {
	s := newStage(t)
	s.drain(time.Hour, control.DrainRelocate)
	s.sessions("a", "b")
	s.look(0)
	s.look(time.Second)
	if got := s.server.Drain.Remaining; got != 2 || len(s.sent) > 0 {
		t.Fatalf("%d are left, asked %v", got, s.sent)
	}
	s.end("a", "b")
	s.look(time.Second)
	if s.server.Availability != control.AvailabilityDrained {
		t.Fatalf("the server is %s", s.server.Availability)
	}
	s.look(time.Second)
	want := []string{"wrapper:w server.drained server:m drained by key:ops ok"}
	if diff := cmp.Diff(want, s.audit); diff != "" {
		t.Error(diff)
	}
}

// A server without sessions is drained only when a heartbeat of the time after the drain says that nothing is on it and
// nothing on its way there.
func TestLook_WhatCountsAsEmpty(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*control.MediaServer)
		then   control.DrainThen
		after  time.Duration
		want   control.Availability
	}{
		"nothing":                        {nil, control.DrainRelocate, time.Second, control.AvailabilityDrained},
		"a place that is reserved":       {func(m *control.MediaServer) { m.Placed = 1 }, control.DrainRelocate, 3 * time.Hour, control.AvailabilityDraining},
		"a place that was given back":    {func(m *control.MediaServer) { m.Load.PipelinesCreated = 1 }, control.DrainRelocate, time.Second, control.AvailabilityDrained},
		"a pipeline of no session":       {func(m *control.MediaServer) { m.Load.Pipelines = 1 }, control.DrainRelocate, 59 * time.Minute, control.AvailabilityDraining},
		"one that is there later":        {func(m *control.MediaServer) { m.Load.Pipelines = 1 }, control.DrainRelocate, time.Hour + 5*time.Second, control.AvailabilityDraining},
		"one that nobody waits for":      {func(m *control.MediaServer) { m.Load.Pipelines = 1 }, control.DrainRelocate, time.Hour + time.Minute, control.AvailabilityDrained},
		"one that is waited for":         {func(m *control.MediaServer) { m.Load.Pipelines = 1 }, control.DrainWait, 3 * time.Hour, control.AvailabilityDraining},
		"a server that is down":          {func(m *control.MediaServer) { m.Status = control.StatusDown }, control.DrainRelocate, time.Second, control.AvailabilityDraining},
		"a server that is silent to one": {func(m *control.MediaServer) { m.Status = control.StatusSuspect }, control.DrainRelocate, time.Second, control.AvailabilityDrained},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.drain(time.Hour, c.then)
			if c.change != nil {
				c.change(&s.server)
			}
			s.look(0)
			s.look(c.after / 2)
			if got := s.server.Availability; got != control.AvailabilityDraining {
				t.Fatalf("after one heartbeat the server is %s", got)
			}
			s.look(c.after / 2)
			if got := s.server.Availability; got != c.want {
				t.Errorf("the server is %s, want %s", got, c.want)
			}
		})
	}
}

// A server that has stopped to say how it is stays as it is.
func TestLook_WithoutHeartbeatsNothingIsEmpty(t *testing.T) {
	s := newStage(t)
	s.drain(time.Hour, control.DrainRelocate)
	for range 20 {
		s.lookSilent(time.Second)
	}
	if s.server.Availability != control.AvailabilityDraining {
		t.Fatalf("the server is %s", s.server.Availability)
	}
}

func TestLook_AsksAFewAtATimeUntilAllHaveMoved(t *testing.T) {
	s := newStage(t)
	s.drain(time.Minute, control.DrainRelocate)
	ids := names(40)
	s.sessions(ids...)
	s.look(59 * time.Second)
	if len(s.sent) > 0 {
		t.Fatalf("asked %v before the deadline", s.sent)
	}
	s.look(time.Second)
	if len(s.sent) != 16 {
		t.Fatalf("asked %d at once", len(s.sent))
	}
	s.look(time.Second)
	if len(s.sent) != 16 {
		t.Fatalf("asked %d although none has begun to move", len(s.sent))
	}
	for range 100 {
		s.move()
		s.look(time.Second)
		if moving := s.moving(); moving > 16 {
			t.Fatalf("%d move at once", moving)
		}
	}
	if s.server.Availability != control.AvailabilityDrained {
		t.Fatalf("the server is %s with %d sessions", s.server.Availability, len(s.on))
	}
	for _, id := range ids {
		if n := s.sent[control.SessionID(id)]; n != 1 {
			t.Errorf("%s was asked %d times", id, n)
		}
	}
}

func TestLook_TheRequestIsTheSameForTheSamePipeline(t *testing.T) {
	s := newStage(t)
	s.drain(0, control.DrainRelocate)
	s.sessions("a")
	for range 12 {
		s.look(time.Second)
	}
	if len(s.letters) < 2 || len(s.letters) > 3 {
		t.Fatalf("asked %d times within 12 s", len(s.letters))
	}
	for _, letter := range s.letters {
		if letter.ID != s.letters[0].ID || letter.Type != message.TypeRelocate || letter.Session != "a" {
			t.Errorf("got %+v", letter)
		}
	}
}

func TestLook_WaitGoesOnWaiting(t *testing.T) {
	s := newStage(t)
	s.drain(time.Minute, control.DrainWait)
	s.sessions("a")
	for range 10 {
		s.look(time.Hour)
	}
	if len(s.sent) > 0 || s.server.Availability != control.AvailabilityDraining {
		t.Fatalf("asked %v, the server is %s", s.sent, s.server.Availability)
	}
	s.server.Drain.Then = control.DrainRelocate
	s.look(time.Second)
	if len(s.sent) != 1 {
		t.Error("it was not asked when that was changed")
	}
}

// A session that no server takes holds up the others for no longer than it is asked, and the API says what is wrong.
func TestLook_SaysWhySessionsStay(t *testing.T) {
	s := newStage(t)
	s.noRoomIn = "mars"
	s.drain(0, control.DrainRelocate)
	s.sessions(names(20)...)
	for _, id := range names(18) {
		s.on[control.SessionID(id)].Region = "mars"
	}
	for range 30 {
		s.move()
		s.look(time.Second)
	}
	if want := "no room in mars"; s.server.Drain.Waiting != want || s.server.Drain.Remaining != 18 {
		t.Fatalf("%d stay: %q, want %q", s.server.Drain.Remaining, s.server.Drain.Waiting, want)
	}
	if s.warnings != 1 {
		t.Errorf("%d lines in the log of half a minute", s.warnings)
	}
	s.noRoomIn = ""
	for range 60 {
		s.move()
		s.look(time.Second)
	}
	if s.server.Availability != control.AvailabilityDrained || s.server.Drain.Waiting != "" {
		t.Errorf("the server is %s, waiting %q", s.server.Availability, s.server.Drain.Waiting)
	}
}

// Who leads next knows nothing of what was asked, and what was drained is in the audit although its leader died.
func TestLook_AnotherLeaderGoesOn(t *testing.T) {
	s := newStage(t)
	s.drain(0, control.DrainRelocate)
	s.sessions("a")
	s.look(0)
	s.newLeader()
	s.look(time.Second)
	if s.sent["a"] != 2 {
		t.Errorf("asked %d times", s.sent["a"])
	}
	s.move()
	s.move()
	s.failAudit = true
	for range 3 {
		s.look(time.Second)
	}
	if s.server.Availability != control.AvailabilityDrained || len(s.audit) > 0 {
		t.Fatalf("the server is %s, the audit has %v", s.server.Availability, s.audit)
	}
	s.failAudit = false
	s.newLeader()
	s.look(time.Second)
	s.look(time.Second)
	if len(s.audit) != 1 {
		t.Errorf("the audit has %v", s.audit)
	}
}

// One that was undone and is drained again counts heartbeats anew.
func TestLook_ADrainThatIsUndoneIsForgotten(t *testing.T) {
	s := newStage(t)
	s.drain(time.Hour, control.DrainRelocate)
	s.look(0)
	s.look(time.Second)
	s.server.Availability, s.server.Drain = control.AvailabilityActive, nil
	s.look(time.Second)
	s.drain(time.Hour, control.DrainRelocate)
	s.look(time.Second)
	if s.server.Availability != control.AvailabilityDraining {
		t.Errorf("the server is %s", s.server.Availability)
	}
}
