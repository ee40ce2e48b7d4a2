package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
)

const (
	operator   = "key:ops"
	theRollout = control.DrainByRollout + "r1"
)

func drainFor(by string, timeout time.Duration) control.Drain {
	return control.Drain{Since: now, Deadline: now.Add(timeout), Then: control.DrainRelocate, By: by}
}

func minutes(n int) time.Duration { return time.Duration(n) * time.Minute }

func mediaServer(t *testing.T, s *store.MediaServers) control.MediaServer {
	t.Helper()
	got, err := s.Get(t.Context(), "m")
	must(t, err)
	return got
}

func TestMediaServers_ADrainGoesItsWay(t *testing.T) {
	s, ctx := registered(t), t.Context()
	mustGuard(t, s.SetDrained(ctx, mediaServer(t, s)))
	mustGuard(t, s.Undrain(ctx, "m"))
	must(t, s.Drain(ctx, "m", drainFor(operator, time.Hour)))
	draining := mediaServer(t, s)
	if draining.Availability != control.AvailabilityDraining {
		t.Fatalf("got %+v", draining)
	}
	must(t, s.NoteDrain(ctx, "m", now, 7, "no room"))
	mustGuard(t, s.NoteDrain(ctx, "m", now.Add(time.Second), 7, ""))
	want := drainFor(operator, time.Hour)
	want.Remaining, want.Waiting = 7, "no room"
	if diff := cmp.Diff(&want, mediaServer(t, s).Drain); diff != "" {
		t.Fatal(diff)
	}
	mustGuard(t, s.LeaveDrained(ctx, "m", "i1"))
	must(t, s.SetDrained(ctx, draining))
	mustGuard(t, s.SetDrained(ctx, draining))
	mustGuard(t, s.Drain(ctx, "m", drainFor(operator, time.Minute)))
	if got := mediaServer(t, s); got.Availability != control.AvailabilityDrained || got.Drain.Remaining != 0 {
		t.Fatalf("got %+v of %+v", got.Drain, got)
	}
	mustGuard(t, s.LeaveDrained(ctx, "m", "i0"))
	must(t, s.LeaveDrained(ctx, "m", "i1"))
	must(t, s.Undrain(ctx, "m"))
	if got := mediaServer(t, s); got.Availability != control.AvailabilityActive || got.Drain != nil {
		t.Fatalf("got %+v", got)
	}
	mustGuard(t, s.Drain(ctx, "m", drainFor(operator, time.Hour))) // it is down
	mustGuard(t, s.Drain(ctx, "unknown", drainFor(operator, time.Hour)))
}

// What was placed before a drain, as it was read, or after it was undone, keeps the server from being drained.
func TestMediaServers_DrainedMeansThatNothingWasPlacedSince(t *testing.T) {
	s, ctx := registered(t), t.Context()
	must(t, s.Drain(ctx, "m", drainFor(theRollout, time.Hour)))
	seen := mediaServer(t, s)
	must(t, s.Undrain(ctx, "m"))
	_, err := s.Reserve(ctx, "m", "i1")
	must(t, err)
	must(t, s.Drain(ctx, "m", drainFor(theRollout, time.Hour))) // since the same time, as a rollout has it
	mustGuard(t, s.SetDrained(ctx, seen))
	must(t, s.SetDrained(ctx, mediaServer(t, s)))
}

// Who asks for a drain that goes on already changes its end, and with that whose it is.
func TestMediaServers_WhoseADrainIs(t *testing.T) {
	type drain struct {
		by      string
		minutes int
	}
	signal := func(minutes int) drain { return drain{control.DrainBySignal, minutes} }
	for name, c := range map[string]struct {
		first, second drain
		want          drain
	}{
		"an operator changes his":           {drain{operator, 2}, drain{operator, 1}, drain{operator, 1}},
		"an operator takes a rollout's":     {drain{theRollout, 1}, drain{operator, 2}, drain{operator, 2}},
		"an operator changes a signal's":    {signal(1), drain{operator, 2}, signal(2)},
		"a signal takes a rollout's":        {drain{theRollout, 1}, signal(2), signal(2)},
		"a signal hastens an operator's":    {drain{operator, 2}, signal(1), drain{operator, 1}},
		"a signal does not put off another": {drain{operator, 1}, signal(2), drain{operator, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			s := registered(t)
			for _, d := range []drain{c.first, c.second} {
				if d.by == control.DrainBySignal {
					must(t, s.DrainBySignal(t.Context(), "m", "i1", drainFor("", minutes(d.minutes))))
				} else {
					must(t, s.Drain(t.Context(), "m", drainFor(d.by, minutes(d.minutes))))
				}
			}
			want := drainFor(c.want.by, minutes(c.want.minutes))
			if diff := cmp.Diff(&want, mediaServer(t, s).Drain); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMediaServers_ASignalHasAnOperatorsDrainRelocate(t *testing.T) {
	s, ctx := registered(t), t.Context()
	wait := drainFor(operator, time.Minute)
	wait.Then = control.DrainWait
	must(t, s.Drain(ctx, "m", wait))
	mustGuard(t, s.DrainBySignal(ctx, "m", "i0", drainFor("", time.Hour)))
	must(t, s.DrainBySignal(ctx, "m", "i1", drainFor("", time.Hour)))
	want := drainFor(operator, time.Minute)
	if diff := cmp.Diff(&want, mediaServer(t, s).Drain); diff != "" {
		t.Error(diff)
	}
}

// A drain that was of the process ends with it, one of an operator does not.
func TestMediaServers_WhichDrainsANewProcessInherits(t *testing.T) {
	for name, c := range map[string]struct {
		by, version string
		drained     bool
		want        control.Availability
	}{
		"an operator's":                    {operator, "v1", false, control.AvailabilityDraining},
		"an operator's, under a new one":   {operator, "v2", true, control.AvailabilityDrained},
		"a signal's":                       {control.DrainBySignal, "v1", false, control.AvailabilityActive},
		"a signal's that is drained":       {control.DrainBySignal, "v1", true, control.AvailabilityActive},
		"a rollout's":                      {theRollout, "v1", true, control.AvailabilityDrained},
		"a rollout's, under a new version": {theRollout, "v2", true, control.AvailabilityActive},
	} {
		t.Run(name, func(t *testing.T) {
			s, ctx := open(t).MediaServers, t.Context()
			must(t, s.Register(ctx, control.MediaServer{ID: "m", Instance: "i1", Version: "v1", HeartbeatAt: now}))
			must(t, s.Register(ctx, control.MediaServer{ID: "m", Instance: "i1", Version: "v1", HeartbeatAt: now}))
			if c.by == control.DrainBySignal {
				must(t, s.DrainBySignal(ctx, "m", "i1", drainFor("", time.Hour)))
			} else {
				must(t, s.Drain(ctx, "m", drainFor(c.by, time.Hour)))
			}
			if c.drained {
				must(t, s.SetDrained(ctx, mediaServer(t, s)))
			}
			before := mediaServer(t, s)
			must(t, s.Register(ctx, control.MediaServer{ID: "m", Instance: "i1", Version: "v1", HeartbeatAt: now}))
			if got := mediaServer(t, s); got.Availability != before.Availability {
				t.Errorf("registered again, the same instance is %s", got.Availability)
			}
			must(t, s.Register(ctx, control.MediaServer{ID: "m", Instance: "i2", Version: c.version, HeartbeatAt: now}))
			got := mediaServer(t, s)
			if got.Availability != c.want || (got.Drain == nil) != (c.want == control.AvailabilityActive) ||
				got.Instance != "i2" || got.Status != control.StatusUp {
				t.Errorf("it is %s with the drain %+v, want %s", got.Availability, got.Drain, c.want)
			}
		})
	}
}

// Wrappers place sessions as fast as they can while servers are drained and undrained: nothing is placed between the end
// of a drain's call and its undoing.
func TestMediaServers_NothingIsPlacedAfterADrain(t *testing.T) {
	s, ctx := registered(t), t.Context()
	stop := make(chan struct{})
	var placing sync.WaitGroup
	for range 4 {
		placing.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := s.Reserve(ctx, "m", "i1"); err != nil && !errors.Is(err, store.ErrGuard) {
					t.Error(err)
					return
				}
			}
		})
	}
	defer placing.Wait()
	defer close(stop)
	before := int64(-1)
	for round := range 50 {
		must(t, s.Drain(ctx, "m", drainFor(fmt.Sprint("key:", round), time.Hour)))
		drained := mediaServer(t, s).Placed
		if _, err := s.Reserve(ctx, "m", "i1"); !errors.Is(err, store.ErrGuard) {
			t.Fatalf("got a place on a server that drains: %v", err)
		}
		if now := mediaServer(t, s).Placed; now != drained || now < before {
			t.Fatalf("placed %d after %d", now, drained)
		}
		before = drained
		must(t, s.Undrain(ctx, "m"))
	}
	if before == 0 {
		t.Error("nothing was placed at all")
	}
}
