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

// reservations has as many places taken on a server as pipelines were made there. There are more when a Wrapper died
// before it made its own, and fewer when one gave a place back whose pipeline was made after all, with an answer that
// got lost. Nobody has reserved another for so long that all pipelines that are to come would have come.
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
	if made == server.Placed || time.Since(seen.since) < settled*r.every {
		return nil
	}
	err = r.store.MediaServers.Settle(ctx, server.ID, server.Instance, server.Placed, made)
	if errors.Is(err, store.ErrGuard) {
		return nil
	}
	if err == nil {
		r.log.Info("places counted anew", slog.String(logging.KeyServer, string(server.ID)),
			slog.Int64("places", made), slog.Int64("before", server.Placed))
	}
	return err
}
