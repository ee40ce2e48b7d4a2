package store

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/orkestro/orkestro/pkg/control"
)

// BeginRelocation gives a session that has the pipeline move.From under move.Epoch the pipeline to, under the next
// epoch. Unlike in [Sessions.SetPipeline] the pipeline before lives on, and so do the connections in it, until
// [Sessions.EndRelocation]: they say who has media there. One that is being moved already is not moved again.
func (s *Sessions) BeginRelocation(
	ctx context.Context, id control.SessionID, move control.Relocation, to control.PipelineRef,
) error {
	return s.update(ctx, "begin to relocate", id,
		bson.M{
			"state": control.SessionActive, "epoch": move.Epoch, "pipeline.id": move.From.ID, "relocation": nil,
		},
		bson.M{"$set": bson.M{
			"epoch": move.Epoch + 1, "pipeline": to, "pipelineAt": move.Since, "relocation": move,
		}})
}

// HastenRelocation has the relocation from epoch end at until instead, if that is earlier.
func (s *Sessions) HastenRelocation(
	ctx context.Context, id control.SessionID, epoch int64, until time.Time,
) error {
	return s.update(ctx, "hasten the relocation of", id,
		bson.M{"relocation.epoch": epoch, "relocation.until": bson.M{"$gt": until}},
		bson.M{"$set": bson.M{"relocation.until": until}})
}

// EndRelocation ends the relocation from epoch: the connections of the pipeline before are gone with it, and the users
// named lost media by that and are reconnecting. The guard is also that none of these is connected to the new one.
func (s *Sessions) EndRelocation(
	ctx context.Context, id control.SessionID, epoch int64, reconnecting []control.UserID,
) error {
	guard, set := bson.M{"relocation.epoch": epoch}, bson.M{"relocation": nil}
	filters := markReconnecting(set, reconnecting)
	if len(reconnecting) > 0 {
		guard["connections"] = bson.M{"$not": bson.M{"$elemMatch": bson.M{
			"epoch": epoch + 1, "user": bson.M{"$in": reconnecting}, "state": control.ConnectionConnected,
		}}}
	}
	return s.update(ctx, "end the relocation of", id, guard,
		bson.M{"$set": set, "$pull": bson.M{"connections": bson.M{"epoch": bson.M{"$lte": epoch}}}}, filters...)
}

// markReconnecting adds to what is set that users are reconnecting, and returns the array filters for it.
func markReconnecting(set bson.M, users []control.UserID) []any {
	if len(users) == 0 {
		return nil
	}
	set["users.$[u].state"] = control.UserReconnecting
	return []any{bson.M{"u.id": bson.M{"$in": users}}}
}

// DueRelocations lists active sessions whose relocation is to end by now, those first that wait for longest.
func (s *Sessions) DueRelocations(ctx context.Context, now time.Time, limit int64) ([]SessionSummary, error) {
	return s.summaries(ctx, "list relocations that are to end",
		bson.M{"relocation.until": bson.M{"$lte": now}, "state": control.SessionActive},
		options.Find().SetSort(bson.D{{Key: "relocation.until", Value: 1}}).SetLimit(limit))
}

// hasMediaOn is the filter for sessions with a pipeline on server: theirs, or the one that they are being moved from.
func hasMediaOn(server control.MediaServerID) bson.M {
	return bson.M{"$or": bson.A{bson.M{"pipeline.server": server}, bson.M{"relocation.from.server": server}}}
}
