package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
)

func TestMediaServers_DrainsOfARollout(t *testing.T) {
	servers, ctx := open(t).MediaServers, t.Context()
	must(t, servers.Register(ctx, control.MediaServer{ID: "m", Instance: "i", HeartbeatAt: anInstant()}))
	ours := control.Drain{
		Since: anInstant(), Deadline: anInstant().Add(time.Hour), Then: control.DrainRelocate, By: "rollout:r",
	}
	later, theirs := ours, ours
	later.Since, later.Deadline, theirs.By = later.Since.Add(time.Minute), later.Deadline.Add(time.Minute), "rollout:s"
	drain := func(instance control.InstanceID, d control.Drain) func() error {
		return func() error { return servers.DrainInstance(ctx, "m", instance, d) }
	}
	end := func(d control.Drain) func() error { return func() error { return servers.EndDrain(ctx, "m", d) } }
	steps := []struct {
		doing string
		do    func() error
		want  error
	}{
		{"drain another instance", drain("before", ours), store.ErrGuard},
		{"end what has not begun", end(ours), store.ErrGuard},
		{"drain it", drain("i", ours), nil},
		{"drain it again", drain("i", ours), nil},
		{"drain what another rollout drains", drain("i", theirs), store.ErrGuard},
		{"put it off", drain("i", later), nil},
		{"end the drain of before", end(ours), store.ErrGuard},
		{"end another one's", end(theirs), store.ErrGuard},
		{"end it", end(later), nil},
		{"drain it for another", drain("i", theirs), nil},
	}
	for _, step := range steps {
		if err := step.do(); !errors.Is(err, step.want) {
			t.Fatalf("%s: %v, want %v", step.doing, err, step.want)
		}
	}
	drained, err := servers.Get(ctx, "m")
	if err != nil || drained.Drain == nil || drained.Drain.By != theirs.By ||
		drained.Availability != control.AvailabilityDraining {
		t.Fatalf("got %+v, %v", drained, err)
	}
	must(t, servers.SetDrained(ctx, drained))
	if err := servers.DrainInstance(ctx, "m", "i", theirs); !errors.Is(err, store.ErrGuard) {
		t.Errorf("drain what is drained: %v", err)
	}
	must(t, servers.EndDrain(ctx, "m", theirs))
	if _, err := servers.Reserve(ctx, "m", "i"); err != nil {
		t.Errorf("it is not active again: %v", err)
	}
}
