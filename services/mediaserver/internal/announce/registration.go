// Package announce makes a media server part of a fleet: it registers it, sends its load every second, and publishes
// what happens to its endpoints to the queues of their sessions. It is started by app when the server is given a
// database and a broker, and knows neither the control protocol nor WebRTC.
package announce

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

const (
	// heartbeatPeriod is the promise of the fleet: a heartbeat every second, so that a loss is noticed within two.
	heartbeatPeriod = time.Second
	// heartbeatTimeout bounds one; the next one is due anyway.
	heartbeatTimeout = time.Second
	// goodbyeTimeout bounds marking the server as down when it stops.
	goodbyeTimeout = 2 * time.Second
)

// ErrReplaced says that another process has registered under the id of this one.
var ErrReplaced = errors.New("announce: another instance has taken this server's id")

// ErrKilled as the cause of the end of a registration's context: it ends without a goodbye, as one does who is killed.
var ErrKilled = errors.New("announce: killed")

// Registry is where media servers are registered: [store.MediaServers]. Its errors are those documented there.
type Registry interface {
	Register(ctx context.Context, server control.MediaServer) error
	Heartbeat(
		ctx context.Context, id control.MediaServerID, instance control.InstanceID, load control.Load, at time.Time,
	) error
	SetStatus(
		ctx context.Context, id control.MediaServerID, instance control.InstanceID, status control.Status,
	) error
	Get(ctx context.Context, id control.MediaServerID) (control.MediaServer, error)
}

// Registration keeps one server registered. Run owns it; Ready may be called by anybody.
type Registration struct {
	registry   Registry
	server     control.MediaServer
	meter      meter
	log        *slog.Logger
	registered atomic.Bool
	// registrations counts the times that the record was made, or was to be.
	registrations atomic.Int64
	unheard       atomic.Pointer[error] // why the last heartbeat was lost, nil if it was not
}

// NewRegistration prepares the registration of server, whose load is taken from stats.
func NewRegistration(
	registry Registry, server control.MediaServer, stats func() media.Stats, logger *slog.Logger,
) *Registration {
	return &Registration{
		registry: registry, server: server, meter: meter{stats: stats},
		log: logger.With(logging.KeyComponent, "announce", logging.KeyInstance, server.Instance),
	}
}

// Ready is nil while the server is registered and heard of.
func (r *Registration) Ready(context.Context) error {
	if !r.registered.Load() {
		return errors.New("not registered in the fleet")
	}
	if err := r.unheard.Load(); err != nil {
		return fmt.Errorf("heartbeats do not reach the database: %w", *err)
	}
	return nil
}

// Run registers the server, sends heartbeats until ctx ends, and then marks it as down unless the cause is [ErrKilled].
// It returns [ErrReplaced] when another process has taken the id, else nil.
func (r *Registration) Run(ctx context.Context) error {
	if r.register(ctx) != nil {
		return nil // ctx ended before the server was registered
	}
	defer r.registered.Store(false)
	ticker := time.NewTicker(heartbeatPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			if !errors.Is(context.Cause(ctx), ErrKilled) {
				r.goodbye(context.WithoutCancel(ctx))
			}
			return nil
		case now := <-ticker.C:
			err := r.beat(ctx, now)
			if errors.Is(err, ErrReplaced) {
				return err
			}
			r.note(ctx, err)
		}
	}
}

func (r *Registration) register(ctx context.Context) error {
	r.registrations.Add(1)
	err := Retry(ctx, r.log, "register", func(ctx context.Context) error {
		now := time.Now()
		r.server.Load, r.server.HeartbeatAt = r.meter.measure(now), now
		return r.registry.Register(ctx, r.server)
	})
	if err == nil {
		r.registered.Store(true)
		r.log.Info("registered in the fleet", "url", r.server.URL)
	}
	return err
}

// beat sends one heartbeat. A record that is gone is made again; one of another instance ends this one's duty.
func (r *Registration) beat(ctx context.Context, now time.Time) error {
	bounded, cancel := context.WithTimeout(ctx, heartbeatTimeout)
	defer cancel()
	err := r.registry.Heartbeat(bounded, r.server.ID, r.server.Instance, r.meter.measure(now), now)
	if !errors.Is(err, store.ErrGuard) {
		return err
	}
	current, err := r.registry.Get(bounded, r.server.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		r.log.Warn("the registration was gone, registering again")
		return r.register(ctx)
	case err != nil:
		return err
	case current.Instance != r.server.Instance:
		return fmt.Errorf("%w: %s", ErrReplaced, current.Instance)
	default:
		return nil
	}
}

// note keeps whether heartbeats arrive, and logs when that begins and ends to be so.
func (r *Registration) note(ctx context.Context, err error) {
	if err == nil {
		if r.unheard.Swap(nil) != nil {
			r.log.Info("heartbeats succeed again")
		}
		return
	}
	if ctx.Err() == nil && r.unheard.Swap(&err) == nil {
		r.log.Warn("heartbeat failed", logging.KeyError, err)
	}
}

// goodbye marks the server as down, so that the fleet need not find out.
func (r *Registration) goodbye(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, goodbyeTimeout)
	defer cancel()
	err := r.registry.SetStatus(ctx, r.server.ID, r.server.Instance, control.StatusDown)
	if err != nil && !errors.Is(err, store.ErrGuard) {
		r.log.Warn("the server could not be marked as down", logging.KeyError, err)
	}
}
