package store

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"

	"github.com/orkestro/orkestro/pkg/control"
)

// Sessions is the collection "sessions". Every method that writes returns [ErrGuard] when its guard does not match.
// Safe for concurrent use.
type Sessions struct {
	c       *mongo.Collection
	schemas *schemas
}

// Get reads one session, in whatever state it is. Errors: [ErrNotFound].
func (s *Sessions) Get(ctx context.Context, id control.SessionID) (*control.Session, error) {
	var session control.Session
	if err := s.c.FindOne(ctx, byID(id)).Decode(&session); err != nil {
		return nil, coded(fmt.Sprintf("read session %s", id), err)
	}
	s.schemas.read("sessions", string(id), session.Schema)
	attach(&session)
	return &session, nil
}

// Insert adds a session; the guard is that its id is free.
func (s *Sessions) Insert(ctx context.Context, session control.Session) error {
	session.Schema = control.Schema
	_, err := s.c.InsertOne(ctx, session)
	if mongo.IsDuplicateKeyError(err) {
		return ErrGuard
	}
	return coded(fmt.Sprintf("insert session %s", session.ID), err)
}

// DeleteExpired forgets a closed session whose time is up, which frees its id; one that is not is left alone.
func (s *Sessions) DeleteExpired(ctx context.Context, id control.SessionID, now time.Time) error {
	_, err := s.c.DeleteOne(ctx, bson.M{"_id": id, "state": control.SessionClosed, "expireAt": bson.M{"$lte": now}})
	return coded(fmt.Sprintf("delete expired session %s", id), err)
}

// SetPipeline gives a session that is at epoch its next pipeline, under epoch+1. The connections of the pipeline before
// end with it, and so does a relocation to it; the users named lost media by that and are reconnecting.
func (s *Sessions) SetPipeline(
	ctx context.Context, id control.SessionID, epoch int64, pipeline control.PipelineRef, reconnecting []control.UserID,
) error {
	set := bson.M{
		"epoch": epoch + 1, "pipeline": pipeline, "pipelineAt": time.Now().UTC(),
		"connections": []control.Connection{}, "relocation": nil,
	}
	filters := markReconnecting(set, reconnecting)
	return s.update(ctx, "set the pipeline of", id,
		bson.M{"state": control.SessionActive, "epoch": epoch}, bson.M{"$set": set}, filters...)
}

// MarkClosing begins the end of an active session; onlyEmpty adds the guard that nobody is in it.
func (s *Sessions) MarkClosing(ctx context.Context, id control.SessionID, reason string, onlyEmpty bool) error {
	guard := bson.M{"state": control.SessionActive}
	if onlyEmpty {
		guard["users"] = bson.M{"$size": 0}
	}
	return s.update(ctx, "begin to close", id, guard,
		bson.M{"$set": bson.M{"state": control.SessionClosing, "closeReason": reason}})
}

// MarkClosed ends a session that is closing, and what was left of a move of it. It is forgotten at expireAt.
func (s *Sessions) MarkClosed(ctx context.Context, id control.SessionID, now, expireAt time.Time) error {
	return s.update(ctx, "close", id, bson.M{"state": control.SessionClosing},
		bson.M{"$set": bson.M{
			"state": control.SessionClosed, "closedAt": now, "expireAt": expireAt, "relocation": nil,
		}})
}

// MarkCleared says that nothing is left of a closed session on the broker.
func (s *Sessions) MarkCleared(ctx context.Context, id control.SessionID) error {
	return s.update(ctx, "clear up after", id, bson.M{"state": control.SessionClosed, "cleared": false},
		bson.M{"$set": bson.M{"cleared": true}})
}

// SetRestoring says whether the exchange of a session that is not closed is being made again.
func (s *Sessions) SetRestoring(ctx context.Context, id control.SessionID, restoring bool) error {
	return s.update(ctx, "note what happens to the exchange of", id,
		bson.M{"state": bson.M{"$ne": control.SessionClosed}}, bson.M{"$set": bson.M{"restoring": restoring}})
}

// update is one guarded update of one session; doing and the id say in an error what was being done. Array filters go
// by the names u (user), c (connection) and s (stream).
func (s *Sessions) update(
	ctx context.Context, doing string, id control.SessionID, guard, update bson.M, arrayFilters ...any,
) error {
	filter := bson.M{"_id": id}
	for key, value := range guard {
		filter[key] = value
	}
	return updateOne(ctx, s.c, fmt.Sprintf("%s session %s", doing, id), filter, update, arrayFilters...)
}
