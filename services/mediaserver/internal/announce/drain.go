package announce

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/store"
)

const (
	// drainPeriod is the pause between two looks at how far a drain is.
	drainPeriod = time.Second
	// drainCallTimeout bounds one call to the database.
	drainCallTimeout = 2 * time.Second
)

// ErrUndone says that the drain of this server was undone: it goes on serving.
var ErrUndone = errors.New("announce: the drain was undone")

// Drainage is where a server is drained: [store.MediaServers]. Its errors are those documented there.
type Drainage interface {
	DrainBySignal(
		ctx context.Context, id control.MediaServerID, instance control.InstanceID, drain control.Drain,
	) error
	LeaveDrained(ctx context.Context, id control.MediaServerID, instance control.InstanceID) error
	Get(ctx context.Context, id control.MediaServerID) (control.MediaServer, error)
}

// Drain has the server emptied, because its process was asked to end, and returns nil once it may: nothing is left on
// it, and nothing comes any more. The sessions that are left after timeout are relocated. A database that is away is
// waited for, media goes on meanwhile. begun is told of the drain, again if it fails. Errors: [ErrUndone], or why
// ctx ended.
func (r *Registration) Drain(
	ctx context.Context, servers Drainage, timeout time.Duration, begun func(context.Context, control.Drain) error,
) error {
	for {
		registered := r.registrations.Load()
		if err := r.beginDrain(ctx, servers, timeout, begun); err != nil {
			return err
		}
		err := r.awaitDrained(ctx, servers)
		if !errors.Is(err, ErrUndone) || registered == r.registrations.Load() {
			return err
		}
		r.log.Warn("the record of this server was gone, and its drain with it: draining again")
	}
}

func (r *Registration) beginDrain(
	ctx context.Context, servers Drainage, timeout time.Duration, begun func(context.Context, control.Drain) error,
) error {
	since := time.Now().UTC().Truncate(time.Millisecond)
	drain := control.Drain{
		Since: since, Deadline: since.Add(timeout), Then: control.DrainRelocate, By: control.DrainBySignal,
	}
	err := Retry(ctx, r.log, "drain", func(ctx context.Context) error {
		if !r.registered.Load() {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, drainCallTimeout)
		defer cancel()
		err := servers.DrainBySignal(ctx, r.server.ID, r.server.Instance, drain)
		if errors.Is(err, store.ErrGuard) {
			err = nil // drained already, or replaced: the first look tells
		}
		if err == nil {
			err = begun(ctx, drain)
		}
		return err
	})
	if err == nil {
		r.log.Info("media server drains", "timeout", timeout.String())
	}
	return err
}

// awaitDrained looks again and again how far the drain is.
func (r *Registration) awaitDrained(ctx context.Context, servers Drainage) error {
	ticker := time.NewTicker(drainPeriod)
	defer ticker.Stop()
	remaining := int64(-1)
	for {
		over, err := r.lookDrained(ctx, servers, &remaining)
		if over || errors.Is(err, ErrUndone) {
			return err
		}
		if err != nil {
			r.log.Debug("how far the drain is was not read", logging.KeyError, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// lookDrained reports whether the process may end. A server whose id another one has taken, or that is not registered,
// has nothing that the fleet would wait for.
func (r *Registration) lookDrained(ctx context.Context, servers Drainage, remaining *int64) (over bool, err error) {
	if !r.registered.Load() {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, drainCallTimeout)
	defer cancel()
	now, err := servers.Get(ctx, r.server.ID)
	switch {
	case err != nil:
		return false, fmt.Errorf("read the record of this server: %w", err)
	case now.Instance != r.server.Instance:
		return true, nil
	case now.Availability == control.AvailabilityActive:
		return false, ErrUndone
	case now.Availability == control.AvailabilityDrained:
		err := servers.LeaveDrained(ctx, r.server.ID, r.server.Instance)
		return err == nil, err
	}
	if now.Drain != nil && now.Drain.Remaining != *remaining {
		*remaining = now.Drain.Remaining
		r.log.Info("media server drains", "sessions", *remaining, "deadline", now.Drain.Deadline)
	}
	return false, nil
}
