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

// Lost has the sessions of an instance rebuilt, and puts the loss on record. One that was drained has only left: what
// was on its way to it in spite of that is rebuilt all the same.
func (r *Reconciler) Lost(ctx context.Context, id control.MediaServerID, instance control.InstanceID) error {
	server, err := r.store.MediaServers.Get(ctx, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	action := "server.down"
	if server.Instance == instance && server.Availability == control.AvailabilityDrained {
		action = "server.leave"
		r.log.Info("a drained media server has left", one(id, instance)...)
	} else {
		r.log.Warn("media server lost, rebuilding its sessions", one(id, instance)...)
	}
	alive := server.Instance
	if alive == instance || server.Status == control.StatusDown {
		alive = ""
	}
	rebuilt := r.rebuild(ctx, id, alive)                   // first: people wait for it
	occasion := action + "/" + server.HeartbeatAt.String() // it may be back, and be lost again
	return errors.Join(rebuilt, r.store.Audit.Append(ctx, control.AuditEntry{
		ID: control.DeriveID(string(instance), occasion), Time: time.Now().UTC(), Actor: "wrapper:" + r.replica,
		Action: action, Object: "server:" + string(id), Reason: "instance " + string(instance), Result: "ok",
	}))
}

// one names an instance in the log.
func one(id control.MediaServerID, instance control.InstanceID) []any {
	return []any{slog.String(logging.KeyServer, string(id)), slog.String(logging.KeyInstance, string(instance))}
}
