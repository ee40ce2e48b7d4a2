package store

import (
	"context"
	"strconv"

	"github.com/orkestro/orkestro/pkg/control"
)

// Started enters the start of a replica, once for each life of its process.
func (a *Audit) Started(ctx context.Context, r control.Replica) error {
	life := r.Service + ":" + r.ID + "/" + strconv.FormatInt(r.StartedAt.UnixMilli(), 10)
	return a.Append(ctx, control.AuditEntry{
		ID: control.DeriveID(life, "replica.start"), Time: r.StartedAt, Actor: r.Service + ":" + r.ID,
		Action: "replica.start", Object: "replica:" + r.ID, Reason: r.Service + " of version " + r.Version, Result: "ok",
	})
}
