package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/store"
)

// reservation is how many places of an instance were taken when that number was first seen.
type reservation struct {
	instance control.InstanceID
	placed   int64
	since    time.Time
}

// reservations gives places back that were reserved on a server by Wrappers that died before they made a pipeline:
// nobody has reserved another for so long that all pipelines that are to come would have come.
func (r *Reconciler) reservations(ctx context.Context, server control.MediaServer) error {
	server, err := r.store.MediaServers.Get(ctx, server.ID)
	if err != nil {
		return err
	}
	seen := r.reserved[server.ID]
	if seen.instance != server.Instance || seen.placed != server.Placed {
		r.reserved[server.ID] = reservation{server.Instance, server.Placed, time.Now()}
		return nil
	}
	made := server.Load.PipelinesCreated
	if made >= server.Placed || time.Since(seen.since) < settled*r.every {
		return nil
	}
	err = r.store.MediaServers.Settle(ctx, server.ID, server.Instance, server.Placed, made)
	if errors.Is(err, store.ErrGuard) {
		return nil
	}
	if err == nil {
		r.log.Info("places given back that nobody took", slog.String(logging.KeyServer, string(server.ID)),
			slog.Int64("places", server.Placed-made))
	}
	return err
}
