package store

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/orkestro/orkestro/pkg/control"
)

// MediaServers is the collection "mediaservers". A media server writes its identity, load and heartbeat, Wrappers write
// status and placed. Safe for concurrent use.
type MediaServers struct {
	c       *mongo.Collection
	schemas *schemas
}

// Register enters a media server, or a new instance of one that is known: what was counted for the instance before
// starts again, what the operator wants of the server stays. A drain ends that was of the process before, or of a
// rollout that wanted another version.
func (m *MediaServers) Register(ctx context.Context, server control.MediaServer) error {
	set := bson.D{
		{Key: "schema", Value: control.Schema},
		{Key: "instance", Value: server.Instance},
		{Key: "url", Value: server.URL},
		{Key: "region", Value: server.Region},
		{Key: "version", Value: server.Version},
		{Key: "membership", Value: server.Membership},
		{Key: "status", Value: control.StatusUp},
		{Key: "capacity", Value: server.Capacity},
		{Key: "load", Value: server.Load},
		{Key: "placed", Value: server.Load.PipelinesCreated}, // not 0 when it is the record that was lost
		{Key: "suspectedBy", Value: []string{}},
		{Key: "startedAt", Value: server.StartedAt},
		{Key: "heartbeatAt", Value: server.HeartbeatAt},
	}
	err := m.update(ctx, "register", server.ID, endsDrain(server),
		bson.D{{Key: "$set", Value: append(undrained(), set...)}})
	if !isGuard(err) {
		return err
	}
	_, err = m.c.UpdateOne(ctx, byID(server.ID), bson.D{
		{Key: "$set", Value: set}, {Key: "$setOnInsert", Value: undrained()},
	}, options.Update().SetUpsert(true))
	return coded(fmt.Sprintf("register media server %s", server.ID), err)
}

// Heartbeat says that instance is alive, with its load. Errors: [ErrGuard] when another instance has taken the id.
func (m *MediaServers) Heartbeat(
	ctx context.Context, id control.MediaServerID, instance control.InstanceID, load control.Load, at time.Time,
) error {
	return m.update(ctx, "send the heartbeat of", id,
		bson.D{{Key: "instance", Value: instance}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "load", Value: load}, {Key: "heartbeatAt", Value: at}}}})
}

// SetMembership replaces what instance presents. Errors: [ErrGuard] when another instance has taken the id, or the
// token is this one already.
func (m *MediaServers) SetMembership(
	ctx context.Context, id control.MediaServerID, instance control.InstanceID, membership control.Membership,
) error {
	return m.update(ctx, "renew the membership of", id,
		bson.D{
			{Key: "instance", Value: instance},
			{Key: "membership.token", Value: bson.D{{Key: "$ne", Value: membership.Token}}},
		},
		bson.D{{Key: "$set", Value: bson.D{{Key: "membership", Value: membership}}}})
}

// SetStatus says what the fleet sees of instance. Errors: [ErrGuard] when another instance has taken the id, or the
// status is this one already.
func (m *MediaServers) SetStatus(
	ctx context.Context, id control.MediaServerID, instance control.InstanceID, status control.Status,
) error {
	return m.update(ctx, "set the status of", id,
		bson.D{{Key: "instance", Value: instance}, {Key: "status", Value: bson.D{{Key: "$ne", Value: status}}}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: status}}}})
}

// Reserve counts a pipeline that is about to be placed on an instance that is up and active, and returns the server as
// it is then. Errors: [ErrGuard] when it no longer is.
func (m *MediaServers) Reserve(
	ctx context.Context, id control.MediaServerID, instance control.InstanceID,
) (control.MediaServer, error) {
	var server control.MediaServer
	filter := append(byID(id),
		bson.E{Key: "instance", Value: instance},
		bson.E{Key: "status", Value: control.StatusUp},
		bson.E{Key: "availability", Value: control.AvailabilityActive})
	err := m.c.FindOneAndUpdate(ctx, filter, bson.D{{Key: "$inc", Value: bson.D{{Key: "placed", Value: int64(1)}}}},
		options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&server)
	err = coded(fmt.Sprintf("reserve a place on media server %s", id), err)
	if isNotFound(err) {
		return server, ErrGuard
	}
	return server, err
}

// Unreserve takes back a reservation that nothing came of. Errors: [ErrGuard] when the instance is another one by now.
func (m *MediaServers) Unreserve(ctx context.Context, id control.MediaServerID, instance control.InstanceID) error {
	return m.update(ctx, "give back a place on", id,
		bson.D{{Key: "instance", Value: instance}, {Key: "placed", Value: bson.D{{Key: "$gt", Value: 0}}}},
		bson.D{{Key: "$inc", Value: bson.D{{Key: "placed", Value: int64(-1)}}}})
}

// Settle says how many pipelines were placed on an instance indeed, when seen is what was counted and nothing has been
// reserved since.
func (m *MediaServers) Settle(
	ctx context.Context, id control.MediaServerID, instance control.InstanceID, seen, placed int64,
) error {
	return m.update(ctx, "settle the places on", id,
		bson.D{{Key: "instance", Value: instance}, {Key: "placed", Value: seen}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "placed", Value: placed}}}})
}

// Get reads one media server. Errors: [ErrNotFound].
func (m *MediaServers) Get(ctx context.Context, id control.MediaServerID) (control.MediaServer, error) {
	var server control.MediaServer
	err := m.c.FindOne(ctx, byID(id)).Decode(&server)
	return server, coded(fmt.Sprintf("read media server %s", id), err)
}

// List reads every media server, by id.
func (m *MediaServers) List(ctx context.Context) ([]control.MediaServer, error) {
	cursor, err := m.c.Find(ctx, bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return nil, coded("list the media servers", err)
	}
	var servers []control.MediaServer
	err = cursor.All(ctx, &servers)
	for _, server := range servers {
		m.schemas.read("mediaservers", string(server.ID), server.Schema)
	}
	return servers, coded("list the media servers", err)
}

// update is one guarded update of one server; doing and the id say in an error what was being done.
func (m *MediaServers) update(
	ctx context.Context, doing string, id control.MediaServerID, guard, update bson.D,
) error {
	return updateOne(ctx, m.c, fmt.Sprintf("%s media server %s", doing, id), append(byID(id), guard...), update)
}
