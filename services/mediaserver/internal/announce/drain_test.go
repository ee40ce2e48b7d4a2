package announce_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/services/mediaserver/internal/announce"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// DrainBySignal implements announce.Drainage.
func (r *registry) DrainBySignal(
	_ context.Context, _ control.MediaServerID, instance control.InstanceID, drain control.Drain,
) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.err != nil:
		return r.err
	case r.record == nil || r.record.Instance != instance || r.record.Availability == control.AvailabilityDrained:
		return store.ErrGuard
	}
	r.record.Availability, r.record.Drain = control.AvailabilityDraining, &drain
	return nil
}

// LeaveDrained implements announce.Drainage.
func (r *registry) LeaveDrained(_ context.Context, _ control.MediaServerID, instance control.InstanceID) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.err != nil:
		return r.err
	case r.record.Instance != instance || r.record.Availability != control.AvailabilityDrained:
		return store.ErrGuard
	}
	r.record.Status = control.StatusDown
	return nil
}

// draining is a registration that was asked to drain within ten minutes.
type draining struct {
	*registry
	cancel context.CancelFunc
	told   int
	result chan error
}

// startDraining registers, in a bubble of synctest, and drains.
func startDraining(t *testing.T, before func(*registry)) *draining {
	t.Helper()
	d := &draining{registry: &registry{}, result: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	d.cancel = cancel
	r := announce.NewRegistration(d, control.MediaServer{ID: "m", Instance: "i1"},
		func() media.Stats { return media.Stats{} }, slog.New(slog.DiscardHandler))
	go func() { _ = r.Run(ctx) }()
	synctest.Wait()
	if before != nil {
		d.change(before)
	}
	go func() {
		d.result <- r.Drain(ctx, d, 10*time.Minute, func(context.Context, control.Drain) error {
			d.told++
			return nil
		})
	}()
	synctest.Wait()
	return d
}

func (d *draining) stillDrains(t *testing.T) {
	t.Helper()
	time.Sleep(time.Minute)
	select {
	case err := <-d.result:
		t.Fatalf("it ended: %v", err)
	default:
	}
}

func (d *draining) ends(t *testing.T, want error) {
	t.Helper()
	time.Sleep(5 * time.Second)
	synctest.Wait()
	select {
	case err := <-d.result:
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("ended with %v, want %v", err, want)
		}
	default:
		t.Error("it goes on")
	}
	d.cancel()
	synctest.Wait()
}

func drained(r *registry) { r.record.Availability = control.AvailabilityDrained }

func TestDrain_UntilTheServerIsEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := startDraining(t, nil)
		d.stillDrains(t)
		record, _ := d.look()
		if drain := record.Drain; drain.Then != control.DrainRelocate || drain.By != control.DrainBySignal ||
			drain.Deadline.Sub(drain.Since) != 10*time.Minute || d.told != 1 {
			t.Errorf("drained by %+v, told %d times", drain, d.told)
		}
		d.change(drained)
		d.ends(t, nil)
		if record, _ := d.look(); record.Status != control.StatusDown {
			t.Errorf("it leaves as %s", record.Status)
		}
	})
}

func TestDrain_Undone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := startDraining(t, nil)
		d.change(func(r *registry) { r.record.Availability, r.record.Drain = control.AvailabilityActive, nil })
		d.ends(t, announce.ErrUndone)
	})
}

// A server that is drained when its process is asked to end has nothing to wait for.
func TestDrain_DrainedAlready(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		startDraining(t, drained).ends(t, nil)
	})
}

func TestDrain_AnotherProcessHasTheID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := startDraining(t, nil)
		d.change(func(r *registry) { r.record = &control.MediaServer{ID: "m", Instance: "i2"} })
		d.ends(t, nil)
	})
}

// A database that has lost the record has lost the drain with it, which is not to undo it.
func TestDrain_TheRecordIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := startDraining(t, nil)
		d.change(func(r *registry) { r.record = nil })
		d.stillDrains(t)
		if record, _ := d.look(); record.Availability != control.AvailabilityDraining || d.told != 2 {
			t.Errorf("it is %q, told %d times", record.Availability, d.told)
		}
		d.change(drained)
		d.ends(t, nil)
	})
}

func TestDrain_WaitsForTheDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("away")
		d := startDraining(t, func(r *registry) { r.err = away })
		d.stillDrains(t)
		d.change(func(r *registry) { r.err = nil })
		d.stillDrains(t)
		if record, _ := d.look(); record.Availability != control.AvailabilityDraining {
			t.Errorf("it is %s", record.Availability)
		}
		d.change(func(r *registry) { drained(r); r.err = away })
		d.stillDrains(t)
		d.change(func(r *registry) { r.err = nil })
		d.ends(t, nil)
	})
}

func TestDrain_IsGivenUpWhenTheProcessHasToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := startDraining(t, func(r *registry) { r.err = errors.New("away") })
		d.cancel()
		d.ends(t, context.Canceled)
	})
}
