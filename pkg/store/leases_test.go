package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/store"
)

func TestLeases_OneHolderAtATime(t *testing.T) {
	leases, ctx := open(t).Leases, t.Context()
	now := time.Now().UTC()
	steps := []struct {
		doing string
		do    func() error
		want  error
	}{
		{"a takes it", func() error { return leases.Take(ctx, "n", "a", now, now.Add(time.Minute)) }, nil},
		{"b is refused", func() error { return leases.Take(ctx, "n", "b", now, now.Add(time.Minute)) }, store.ErrGuard},
		{"b takes another", func() error { return leases.Take(ctx, "m", "b", now, now.Add(time.Minute)) }, nil},
		{"a prolongs", func() error { return leases.Take(ctx, "n", "a", now, now.Add(time.Hour)) }, nil},
		{"b gives what it has not", func() error { return leases.Give(ctx, "n", "b") }, nil},
		{"b is refused again", func() error {
			return leases.Take(ctx, "n", "b", now.Add(30*time.Minute), now.Add(time.Hour))
		}, store.ErrGuard},
		{"b takes it when it has run out", func() error {
			return leases.Take(ctx, "n", "b", now.Add(2*time.Hour), now.Add(3*time.Hour))
		}, nil},
		{"b gives it", func() error { return leases.Give(ctx, "n", "b") }, nil},
		{"nobody has it", func() error {
			_, err := leases.Holder(ctx, "n")
			return err
		}, store.ErrNotFound},
		{"a takes it again", func() error { return leases.Take(ctx, "n", "a", now, now.Add(time.Minute)) }, nil},
	}
	for _, step := range steps {
		if err := step.do(); !errors.Is(err, step.want) {
			t.Fatalf("%s: %v, want %v", step.doing, err, step.want)
		}
	}
	if holder, err := leases.Holder(ctx, "n"); err != nil || holder != "a" {
		t.Errorf("%q has it, %v", holder, err)
	}
}
