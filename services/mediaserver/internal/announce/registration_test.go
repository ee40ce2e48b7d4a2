package announce_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/services/mediaserver/internal/announce"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// registry is a database that may be away, or forget.
type registry struct {
	mu     sync.Mutex
	err    error
	record *control.MediaServer
	beats  int
}

func (r *registry) Register(_ context.Context, server control.MediaServer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		server.Status, server.Availability = control.StatusUp, control.AvailabilityActive
		r.record = &server
	}
	return r.err
}

func (r *registry) Heartbeat(
	_ context.Context, _ control.MediaServerID, instance control.InstanceID, load control.Load, at time.Time,
) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.err != nil:
		return r.err
	case r.record == nil || r.record.Instance != instance:
		return store.ErrGuard
	}
	r.beats++
	r.record.Load, r.record.HeartbeatAt = load, at
	return nil
}

func (r *registry) SetStatus(
	_ context.Context, _ control.MediaServerID, instance control.InstanceID, status control.Status,
) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.record == nil || r.record.Instance != instance {
		return store.ErrGuard
	}
	r.record.Status = status
	return r.err
}

func (r *registry) Get(context.Context, control.MediaServerID) (control.MediaServer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.record == nil {
		return control.MediaServer{}, store.ErrNotFound
	}
	return *r.record, r.err
}

func (r *registry) change(f func(*registry)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(r)
}

// look is a moment's view of the registry.
func (r *registry) look() (record control.MediaServer, beats int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.record != nil {
		record = *r.record
	}
	return record, r.beats
}

// registered runs a registration in the bubble of a test.
func registered(t *testing.T, r *registry) (*announce.Registration, context.CancelFunc, <-chan error) {
	t.Helper()
	var bytes uint64
	stats := func() media.Stats {
		bytes += 1000
		return media.Stats{Pipelines: 2, BytesIn: bytes, BytesOut: 2 * bytes}
	}
	registration := announce.NewRegistration(r, control.MediaServer{ID: "m", Instance: "i1"}, stats, silent())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- registration.Run(ctx) }()
	return registration, cancel, ended
}

func TestRegistration_BeatsAndSaysGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &registry{}
		registration, cancel, ended := registered(t, r)
		time.Sleep(10*time.Second + time.Millisecond)
		record, beats := r.look()
		if err := registration.Ready(t.Context()); err != nil || beats != 10 {
			t.Errorf("%d beats, %v", beats, err)
		}
		if load := record.Load; load.BitrateIn != 8000 || load.BitrateOut != 16000 || load.Pipelines != 2 {
			t.Errorf("load %+v", load)
		}
		cancel()
		err := <-ended
		if record, _ := r.look(); err != nil || record.Status != control.StatusDown {
			t.Errorf("%v, %+v", err, record)
		}
	})
}

func TestRegistration_OutlastsTheDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &registry{err: errors.New("away")}
		registration, cancel, ended := registered(t, r)
		time.Sleep(time.Minute)
		if registration.Ready(t.Context()) == nil {
			t.Error("ready without a registration")
		}
		r.change(func(r *registry) { r.err = nil })
		time.Sleep(5 * time.Second)
		r.change(func(r *registry) { r.err = errors.New("away again") })
		time.Sleep(time.Minute)
		r.change(func(r *registry) { r.err = nil })
		_, before := r.look()
		time.Sleep(5 * time.Second)
		if _, after := r.look(); registration.Ready(t.Context()) != nil || after < before+4 {
			t.Errorf("%d beats after the outage", after-before)
		}
		cancel()
		<-ended
	})
}

func TestRegistration_ComesBackWhenForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &registry{}
		_, cancel, ended := registered(t, r)
		time.Sleep(2 * time.Second)
		r.change(func(r *registry) { r.record = nil })
		time.Sleep(2 * time.Second)
		if record, _ := r.look(); record.Instance != "i1" {
			t.Errorf("record %+v", record)
		}
		cancel()
		<-ended
	})
}

func TestRegistration_YieldsToNewInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &registry{}
		registration, cancel, ended := registered(t, r)
		defer cancel()
		time.Sleep(time.Second)
		r.change(func(r *registry) { r.record = &control.MediaServer{ID: "m", Instance: "i2", Status: control.StatusUp} })
		if err := <-ended; !errors.Is(err, announce.ErrReplaced) || registration.Ready(t.Context()) == nil {
			t.Errorf("ended with %v", err)
		}
		if record, _ := r.look(); record.Status != control.StatusUp {
			t.Error("the newer instance was marked as down")
		}
	})
}
