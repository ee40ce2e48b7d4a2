package store_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
)

func registered(t *testing.T) *store.MediaServers {
	t.Helper()
	s := open(t).MediaServers
	must(t, s.Register(t.Context(), control.MediaServer{ID: "m", Instance: "i1", HeartbeatAt: now}))
	return s
}

func TestMediaServers_OneWinsALoss(t *testing.T) {
	s, ctx := registered(t), t.Context()
	reserved, err := s.Reserve(ctx, "m", "i1")
	must(t, err)
	if reserved.Placed != 1 || reserved.Availability != control.AvailabilityActive {
		t.Fatalf("got %+v", reserved)
	}
	must(t, s.ClaimSilent(ctx, "m", "i1", now))
	mustGuard(t, s.ClaimSilent(ctx, "m", "i1", now))
	mustGuard(t, s.ClaimEnded(ctx, "m", "i1"))
	if _, err := s.Reserve(ctx, "m", "i1"); !errors.Is(err, store.ErrGuard) {
		t.Fatalf("got %v", err)
	}
	must(t, s.Revive(ctx, "m", "i1"))
	must(t, s.Register(ctx, control.MediaServer{ID: "m", Instance: "i2", HeartbeatAt: now}))
	mustGuard(t, s.Heartbeat(ctx, "m", "i1", control.Load{}, now))
	must(t, s.ClaimEnded(ctx, "m", "i1"))
	mustGuard(t, s.ClaimEnded(ctx, "m", "i1"))
	got, err := s.Get(ctx, "m")
	must(t, err)
	if got.Status != control.StatusUp || got.Placed != 0 || got.Lost != "i1" {
		t.Fatalf("got %+v", got)
	}
	mustGuard(t, s.Unreserve(ctx, "m", "i2"))
}

func TestMediaServers_OneThatEndsItselfIsClaimedOnce(t *testing.T) {
	s, ctx := registered(t), t.Context()
	mustGuard(t, s.ClaimEnded(ctx, "m", "i1"))
	must(t, s.SetStatus(ctx, "m", "i1", control.StatusDown))
	must(t, s.ClaimEnded(ctx, "m", "i1"))
	mustGuard(t, s.ClaimEnded(ctx, "m", "i1"))
}

func TestMediaServers_AHeartbeatSavesTheSilent(t *testing.T) {
	s, ctx := registered(t), t.Context()
	must(t, s.Heartbeat(ctx, "m", "i1", control.Load{}, now.Add(time.Second)))
	mustGuard(t, s.ClaimSilent(ctx, "m", "i1", now))
	must(t, s.ClaimSilent(ctx, "m", "i1", now.Add(time.Second)))
}

func TestMediaServers_SuspicionCountsWhileItStands(t *testing.T) {
	s, ctx := registered(t), t.Context()
	for _, wrapper := range []string{"w1", "w2", "w1"} {
		_, err := s.Suspect(ctx, "m", "i1", wrapper)
		must(t, err)
	}
	suspects, err := s.Suspect(ctx, "m", "i1", "w3")
	must(t, err)
	if want := []string{"w1", "w2", "w3"}; !slices.Equal(suspects, want) {
		t.Fatalf("suspected by %v, want %v", suspects, want)
	}
	must(t, s.Trust(ctx, "m", "i1", "w2"))
	mustGuard(t, s.Trust(ctx, "m", "i1", "w2"))
	mustGuard(t, s.ClaimSuspected(ctx, "m", "i1", []string{"w1", "w2"}))
	must(t, s.ClaimSuspected(ctx, "m", "i1", []string{"w1", "w3"}))
	must(t, s.Revive(ctx, "m", "i1"))
	mustGuard(t, s.ClaimSuspected(ctx, "m", "i1", []string{"w1"}))
}

func TestMediaServers_SuspicionIsOfOneInstance(t *testing.T) {
	s, ctx := registered(t), t.Context()
	_, err := s.Suspect(ctx, "m", "i1", "w1")
	must(t, err)
	must(t, s.Register(ctx, control.MediaServer{ID: "m", Instance: "i2", HeartbeatAt: now}))
	mustGuard(t, s.ClaimSuspected(ctx, "m", "i2", []string{"w1"}))
	if _, err := s.Suspect(ctx, "m", "i1", "w1"); !errors.Is(err, store.ErrGuard) {
		t.Fatalf("got %v", err)
	}
}
