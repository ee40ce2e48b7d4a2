package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
)

// anInstant is one that the database keeps as it is.
func anInstant() time.Time { return time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC) }

func newRollout(id control.RolloutID) control.Rollout {
	return control.Rollout{
		ID: id, To: "v2", Percent: 10, Timeout: time.Hour, State: control.RolloutRunning, StartedAt: anInstant(),
		StartedBy: "key:ops", Since: anInstant(),
	}
}

func TestRollouts_OneIsLiveAtATime(t *testing.T) {
	rollouts, ctx := open(t).Rollouts, t.Context()
	steps := []struct {
		doing string
		do    func() error
		want  error
	}{
		{"start a", func() error { return rollouts.Insert(ctx, newRollout("a")) }, nil},
		{"start b", func() error { return rollouts.Insert(ctx, newRollout("b")) }, store.ErrGuard},
		{"start a again", func() error { return rollouts.Insert(ctx, newRollout("a")) }, store.ErrGuard},
		{"resume what runs", func() error { return rollouts.Resume(ctx, "a", anInstant()) }, store.ErrGuard},
		{"pause a", func() error { return rollouts.Pause(ctx, "a") }, nil},
		{"pause what is paused", func() error { return rollouts.Pause(ctx, "a") }, store.ErrGuard},
		{"start b beside what is paused", func() error { return rollouts.Insert(ctx, newRollout("b")) }, store.ErrGuard},
		{"abort a", func() error { return rollouts.Abort(ctx, "a", anInstant()) }, nil},
		{"abort what is aborted", func() error { return rollouts.Abort(ctx, "a", anInstant()) }, store.ErrGuard},
		{"resume what is aborted", func() error { return rollouts.Resume(ctx, "a", anInstant()) }, store.ErrGuard},
		{"start b after a", func() error { return rollouts.Insert(ctx, newRollout("b")) }, nil},
		{"pause one that is not there", func() error { return rollouts.Pause(ctx, "c") }, store.ErrGuard},
	}
	for _, step := range steps {
		if err := step.do(); !errors.Is(err, step.want) {
			t.Fatalf("%s: %v, want %v", step.doing, err, step.want)
		}
	}
	live, err := rollouts.Live(ctx)
	if err != nil || live.ID != "b" {
		t.Fatalf("live is %q, %v", live.ID, err)
	}
	list, err := rollouts.List(ctx, "", 10)
	if err != nil || len(list) != 2 || list[0].ID != "b" || list[1].ID != "a" {
		t.Fatalf("listed %v, %v", list, err)
	}
	if list, err = rollouts.List(ctx, "b", 10); err != nil || len(list) != 1 || list[0].ID != "a" {
		t.Fatalf("listed before b: %v, %v", list, err)
	}
}

func TestRollouts_AStepIsGuardedByTheRevision(t *testing.T) {
	rollouts, ctx := open(t).Rollouts, t.Context()
	if _, err := rollouts.Live(ctx); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("live in an empty database: %v", err)
	}
	if err := rollouts.Insert(ctx, newRollout("a")); err != nil {
		t.Fatal(err)
	}
	decided, err := rollouts.Get(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	at := anInstant().Add(time.Minute)
	decided.Size, decided.Shares, decided.Total, decided.LookedAt = 1, 1, 3, &at
	decided.Share = &control.RolloutShare{
		Number: 1, Phase: control.RolloutDraining, Since: at, Until: at.Add(time.Hour),
		Servers: []control.RolloutServer{{ID: "m", Instance: "i", Version: "v1", State: control.RolloutServerDraining}},
	}
	decided.Watched = []control.RolloutWatch{{Server: "m", Instance: "i", Connected: 3}}
	decided.Events = []control.RolloutEvent{{Number: 1, Action: "rollout.step", At: at, Text: "share 1: m"}}
	if err := rollouts.Step(ctx, decided); err != nil {
		t.Fatal(err)
	}
	if err := rollouts.Step(ctx, decided); !errors.Is(err, store.ErrGuard) {
		t.Fatalf("a step on an old revision: %v", err)
	}
	stored, err := rollouts.Live(ctx)
	if err != nil {
		t.Fatal(err)
	}
	decided.Revision++
	decided.Used, stored.Used = nil, nil // an array is never null
	if diff := cmp.Diff(decided, stored); diff != "" {
		t.Fatalf("stored (+) is not what was decided (-):\n%s", diff)
	}
	if err := rollouts.Pause(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if err := rollouts.Step(ctx, stored); !errors.Is(err, store.ErrGuard) {
		t.Fatalf("a step decided before the pause: %v", err)
	}
}

func TestRollouts_TheEndMakesRoom(t *testing.T) {
	rollouts, ctx := open(t).Rollouts, t.Context()
	if err := rollouts.Insert(ctx, newRollout("a")); err != nil {
		t.Fatal(err)
	}
	done, err := rollouts.Live(ctx)
	if err != nil {
		t.Fatal(err)
	}
	at := anInstant()
	done.State, done.EndedAt = control.RolloutDone, &at
	if err := rollouts.Step(ctx, done); err != nil {
		t.Fatal(err)
	}
	if err := rollouts.Insert(ctx, newRollout("b")); err != nil {
		t.Fatalf("start another after the end: %v", err)
	}
}

func TestRollouts_ResumingCountsAnew(t *testing.T) {
	rollouts, ctx := open(t).Rollouts, t.Context()
	if err := rollouts.Insert(ctx, newRollout("a")); err != nil {
		t.Fatal(err)
	}
	stopped, err := rollouts.Live(ctx)
	if err != nil {
		t.Fatal(err)
	}
	at := anInstant()
	stopped.State, stopped.Reason, stopped.LookedAt = control.RolloutStopped, "lost", &at
	stopped.New = control.RolloutOutcome{Failed: 9, ServersLost: 1}
	stopped.Watched = []control.RolloutWatch{{Server: "m", New: true}}
	if err := rollouts.Step(ctx, stopped); err != nil {
		t.Fatal(err)
	}
	if err := rollouts.Resume(ctx, "a", at.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	resumed, err := rollouts.Live(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if resumed.State != control.RolloutRunning || resumed.Reason != "" || resumed.LookedAt != nil ||
		resumed.New != (control.RolloutOutcome{}) || len(resumed.Watched) != 0 || !resumed.Since.Equal(at.Add(time.Hour)) {
		t.Fatalf("resumed as %+v", resumed)
	}
}
