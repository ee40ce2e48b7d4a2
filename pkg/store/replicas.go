package store

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/orkestro/orkestro/pkg/control"
)

// maxReplicas bounds List; no fleet has so many processes of one service.
const maxReplicas = 1000

// Replicas is the collection "restapis" or "wrappers": the running processes of one service, written by themselves. The
// record of one that died without a word goes an hour after its last heartbeat.
type Replicas struct{ c *mongo.Collection }

// Register enters r, or takes the place of the record that an earlier process of the same id left.
func (r *Replicas) Register(ctx context.Context, replica control.Replica) error {
	set := bson.M{
		"service": replica.Service, "version": replica.Version, "state": replica.State,
		"startedAt": replica.StartedAt, "heartbeatAt": replica.HeartbeatAt,
	}
	_, err := r.c.UpdateOne(ctx, bson.M{"_id": replica.ID}, bson.M{"$set": set}, options.Update().SetUpsert(true))
	return coded("register replica "+replica.ID, err)
}

// Heartbeat says that the replica was alive at that time. [ErrGuard] if it is not registered (any more).
func (r *Replicas) Heartbeat(ctx context.Context, id string, at time.Time) error {
	return r.set(ctx, id, bson.M{"heartbeatAt": at})
}

// SetState writes one of the states of [control.Replica]. [ErrGuard] if the replica is not registered.
func (r *Replicas) SetState(ctx context.Context, id, state string) error {
	return r.set(ctx, id, bson.M{"state": state})
}

func (r *Replicas) set(ctx context.Context, id string, fields bson.M) error {
	result, err := r.c.UpdateOne(ctx, bson.M{"_id": id}, bson.M{"$set": fields})
	if err == nil && result.MatchedCount == 0 {
		return ErrGuard
	}
	return coded("update replica "+id, err)
}

// Remove forgets a replica; one that is not there is no error.
func (r *Replicas) Remove(ctx context.Context, id string) error {
	_, err := r.c.DeleteOne(ctx, bson.M{"_id": id})
	return coded("remove replica "+id, err)
}

// List is every replica by id, those that died without a word included: their heartbeat tells.
func (r *Replicas) List(ctx context.Context) ([]control.Replica, error) {
	cursor, err := r.c.Find(ctx, bson.M{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(maxReplicas))
	if err != nil {
		return nil, coded("list replicas", err)
	}
	replicas := []control.Replica{}
	if err := cursor.All(ctx, &replicas); err != nil {
		return nil, coded("list replicas", err)
	}
	return replicas, nil
}
