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

// Rollouts is the collection "rollouts". Each write of a rollout counts its revision up and is guarded by the one that
// it was decided on, so of two who lead it, or of a leader and an operator, one is first and the other looks again.
// Safe for concurrent use.
type Rollouts struct {
	c       *mongo.Collection
	schemas *schemas
}

// Insert adds a rollout. Errors: [ErrGuard] while another one is live, or when this one is there already.
func (r *Rollouts) Insert(ctx context.Context, rollout control.Rollout) error {
	rollout.Schema, rollout.Slot = control.Schema, control.RolloutSlot
	_, err := r.c.InsertOne(ctx, rollout)
	if mongo.IsDuplicateKeyError(err) {
		return ErrGuard
	}
	return coded(fmt.Sprintf("insert rollout %s", rollout.ID), err)
}

// Get reads one rollout. Errors: [ErrNotFound].
func (r *Rollouts) Get(ctx context.Context, id control.RolloutID) (control.Rollout, error) {
	return r.find(ctx, byID(id), fmt.Sprintf("read rollout %s", id))
}

// Live reads the rollout that is live. Errors: [ErrNotFound] when there is none.
func (r *Rollouts) Live(ctx context.Context) (control.Rollout, error) {
	return r.find(ctx, bson.D{{Key: "slot", Value: control.RolloutSlot}}, "read the live rollout")
}

func (r *Rollouts) find(ctx context.Context, filter bson.D, doing string) (control.Rollout, error) {
	var rollout control.Rollout
	err := r.c.FindOne(ctx, filter).Decode(&rollout)
	r.schemas.read("rollouts", string(rollout.ID), rollout.Schema)
	return rollout, coded(doing, err)
}

// List is up to limit rollouts, newest first, of those before the one named; "": from the newest on.
func (r *Rollouts) List(ctx context.Context, before control.RolloutID, limit int) ([]control.Rollout, error) {
	filter := bson.D{}
	if before != "" {
		filter = append(filter, bson.E{Key: "_id", Value: bson.D{{Key: "$lt", Value: before}}})
	}
	cursor, err := r.c.Find(ctx, filter,
		options.Find().SetSort(bson.D{{Key: "_id", Value: -1}}).SetLimit(int64(limit)))
	if err != nil {
		return nil, coded("list rollouts", err)
	}
	var rollouts []control.Rollout
	return rollouts, coded("list rollouts", cursor.All(ctx, &rollouts))
}

// Pause keeps a rollout that runs from beginning another share. Errors: [ErrGuard] if it does not run.
func (r *Rollouts) Pause(ctx context.Context, id control.RolloutID) error {
	return r.steer(ctx, "pause", id, bson.A{control.RolloutRunning},
		bson.D{{Key: "state", Value: control.RolloutPaused}, {Key: "reason", Value: ""}})
}

// Resume has a rollout go on that is paused or stopped. What was counted before counts no more: whoever resumes it has
// seen that. Errors: [ErrGuard] if it is neither.
func (r *Rollouts) Resume(ctx context.Context, id control.RolloutID, now time.Time) error {
	return r.steer(ctx, "resume", id, bson.A{control.RolloutPaused, control.RolloutStopped}, bson.D{
		{Key: "state", Value: control.RolloutRunning},
		{Key: "reason", Value: ""},
		{Key: "since", Value: now},
		{Key: "old", Value: control.RolloutOutcome{}},
		{Key: "new", Value: control.RolloutOutcome{}},
		{Key: "watched", Value: []control.RolloutWatch{}},
		{Key: "lookedAt", Value: nil},
	})
}

// Abort ends a rollout that is live. Errors: [ErrGuard] if it is not.
func (r *Rollouts) Abort(ctx context.Context, id control.RolloutID, now time.Time) error {
	return r.steer(ctx, "abort", id,
		bson.A{control.RolloutRunning, control.RolloutPaused, control.RolloutStopped}, bson.D{
			{Key: "state", Value: control.RolloutAborted},
			{Key: "endedAt", Value: now},
			{Key: "slot", Value: string(id)},
			{Key: "reason", Value: ""},
		})
}

// steer is an operator's write, from one of these states.
func (r *Rollouts) steer(ctx context.Context, doing string, id control.RolloutID, from bson.A, set bson.D) error {
	filter := append(byID(id), bson.E{Key: "state", Value: bson.D{{Key: "$in", Value: from}}})
	return updateOne(ctx, r.c, fmt.Sprintf("%s rollout %s", doing, id), filter, advance(set))
}

// Step writes what the leader decided on the revision that rollout carries: all but what the start and operators fix.
// Errors: [ErrGuard] when the rollout is at another revision by now.
func (r *Rollouts) Step(ctx context.Context, rollout control.Rollout) error {
	slot := control.RolloutSlot
	if !rollout.State.Live() {
		slot = string(rollout.ID)
	}
	filter := append(byID(rollout.ID), bson.E{Key: "revision", Value: rollout.Revision})
	return updateOne(ctx, r.c, fmt.Sprintf("advance rollout %s", rollout.ID), filter, advance(bson.D{
		{Key: "state", Value: rollout.State},
		{Key: "reason", Value: rollout.Reason},
		{Key: "slot", Value: slot},
		{Key: "endedAt", Value: rollout.EndedAt},
		{Key: "size", Value: rollout.Size},
		{Key: "shares", Value: rollout.Shares},
		{Key: "total", Value: rollout.Total},
		{Key: "replaced", Value: rollout.Replaced},
		{Key: "used", Value: rollout.Used},
		{Key: "share", Value: rollout.Share},
		{Key: "old", Value: rollout.Old},
		{Key: "new", Value: rollout.New},
		{Key: "watched", Value: rollout.Watched},
		{Key: "events", Value: rollout.Events},
		{Key: "lookedAt", Value: rollout.LookedAt},
	}))
}

func advance(set bson.D) bson.D {
	return bson.D{
		{Key: "$set", Value: set}, {Key: "$inc", Value: bson.D{{Key: "revision", Value: int64(1)}}},
	}
}
