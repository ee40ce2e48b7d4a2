package store

import (
	"context"

	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/control"
)

// DrainInstance drains one instance of a server, or changes how the drain ends that the same one has begun. Errors:
// [ErrGuard] when another instance has taken the id, somebody else drains it, or it is drained.
func (m *MediaServers) DrainInstance(
	ctx context.Context, id control.MediaServerID, instance control.InstanceID, drain control.Drain,
) error {
	free := bson.A{active(), bson.D{isDraining(), {Key: "drain.by", Value: drain.By}}}
	return m.update(ctx, "drain", id,
		bson.D{{Key: "instance", Value: instance}, {Key: "$or", Value: free}},
		bson.D{{Key: "$set", Value: draining(drain)}})
}

// EndDrain ends one drain, as it was read. Errors: [ErrGuard] when it is over, or is somebody else's by now.
func (m *MediaServers) EndDrain(ctx context.Context, id control.MediaServerID, drain control.Drain) error {
	return m.update(ctx, "undrain", id,
		bson.D{{Key: "drain.by", Value: drain.By}, {Key: "drain.since", Value: drain.Since}},
		bson.D{{Key: "$set", Value: undrained()}})
}
