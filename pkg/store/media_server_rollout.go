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
	free := bson.A{
		bson.D{{Key: "availability", Value: control.AvailabilityActive}},
		bson.D{{Key: "availability", Value: control.AvailabilityDraining}, {Key: "drain.by", Value: drain.By}},
	}
	return m.update(ctx, "drain", id,
		bson.D{{Key: "instance", Value: instance}, {Key: "$or", Value: free}},
		bson.D{{Key: "$set", Value: bson.D{
			{Key: "availability", Value: control.AvailabilityDraining}, {Key: "drain", Value: drain},
		}}})
}

// UndrainBy ends the drain that somebody has begun. Errors: [ErrGuard] when that is not who drains the server.
func (m *MediaServers) UndrainBy(ctx context.Context, id control.MediaServerID, by string) error {
	return m.update(ctx, "undrain", id,
		bson.D{{Key: "drain.by", Value: by}},
		bson.D{{Key: "$set", Value: bson.D{
			{Key: "availability", Value: control.AvailabilityActive}, {Key: "drain", Value: nil},
		}}})
}
