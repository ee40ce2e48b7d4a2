package store

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/orkestro/orkestro/pkg/control"
)

// A loss is claimed once: of all Wrappers that say that an instance is lost one wins, the others get [ErrGuard]. The
// winner sees to its sessions. What makes an instance count as lost is in the filter of the claim, so that nobody acts
// on what is no longer so.

// Suspect puts on record that a Wrapper finds an instance gone, and returns who does. Errors: [ErrGuard] when another
// instance has taken the id.
func (m *MediaServers) Suspect(
	ctx context.Context, id control.MediaServerID, instance control.InstanceID, wrapper string,
) ([]string, error) {
	var server control.MediaServer
	err := m.c.FindOneAndUpdate(ctx, append(byID(id), bson.E{Key: "instance", Value: instance}),
		bson.D{{Key: "$addToSet", Value: bson.D{{Key: "suspectedBy", Value: wrapper}}}},
		options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&server)
	err = coded(fmt.Sprintf("suspect media server %s", id), err)
	if isNotFound(err) {
		return nil, ErrGuard
	}
	return server.SuspectedBy, err
}

// Trust takes a Wrapper's suspicion back: it has reached the instance. Errors: [ErrGuard] when there is none.
func (m *MediaServers) Trust(
	ctx context.Context, id control.MediaServerID, instance control.InstanceID, wrapper string,
) error {
	return m.update(ctx, "trust", id,
		bson.D{{Key: "instance", Value: instance}, {Key: "suspectedBy", Value: wrapper}},
		bson.D{{Key: "$pull", Value: bson.D{{Key: "suspectedBy", Value: wrapper}}}})
}

// ClaimSuspected says that instance is lost because all these Wrappers find it gone.
func (m *MediaServers) ClaimSuspected(
	ctx context.Context, id control.MediaServerID, instance control.InstanceID, wrappers []string,
) error {
	return m.claimDown(ctx, id, instance, bson.E{Key: "suspectedBy", Value: bson.D{{Key: "$all", Value: wrappers}}})
}

// ClaimSilent says that instance is lost because no heartbeat has come after the one that says it was sent at that
// time.
func (m *MediaServers) ClaimSilent(
	ctx context.Context, id control.MediaServerID, instance control.InstanceID, heartbeat time.Time,
) error {
	return m.claimDown(ctx, id, instance, bson.E{Key: "heartbeatAt", Value: heartbeat})
}

// ClaimEnded says that instance is lost because it said so itself, or another one has taken its id.
func (m *MediaServers) ClaimEnded(ctx context.Context, id control.MediaServerID, instance control.InstanceID) error {
	ended := bson.A{
		bson.D{{Key: "instance", Value: bson.D{{Key: "$ne", Value: instance}}}},
		bson.D{{Key: "status", Value: control.StatusDown}},
	}
	return m.update(ctx, "mark the instance that ended as lost of", id,
		bson.D{notClaimed(instance), {Key: "$or", Value: ended}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "lost", Value: instance}}}})
}

func (m *MediaServers) claimDown(
	ctx context.Context, id control.MediaServerID, instance control.InstanceID, evidence bson.E,
) error {
	return m.update(ctx, "mark as down", id,
		bson.D{{Key: "instance", Value: instance}, notClaimed(instance), evidence},
		bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: control.StatusDown}, {Key: "lost", Value: instance}}}})
}

func notClaimed(instance control.InstanceID) bson.E {
	return bson.E{Key: "lost", Value: bson.D{{Key: "$ne", Value: instance}}}
}

// Revive takes back that instance is lost: it was only out of reach. Errors: [ErrGuard] when another instance has taken
// the id or it was not lost.
func (m *MediaServers) Revive(ctx context.Context, id control.MediaServerID, instance control.InstanceID) error {
	return m.update(ctx, "revive", id,
		bson.D{{Key: "instance", Value: instance}, {Key: "status", Value: control.StatusDown}},
		bson.D{{Key: "$set", Value: bson.D{
			{Key: "status", Value: control.StatusUp}, {Key: "lost", Value: ""}, {Key: "suspectedBy", Value: []string{}},
		}}})
}
