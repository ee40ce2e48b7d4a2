package store

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/orkestro/orkestro/pkg/control"
)

// SessionFilter chooses sessions: the zero value of a field means any.
type SessionFilter struct {
	States []control.SessionState
	Server control.MediaServerID // that has their pipeline
	After  control.SessionID     // last session of the page before
	Now    time.Time             // closed sessions whose time is up by then are left out
	Limit  int
}

// List is a page of sessions by id.
func (s *Sessions) List(ctx context.Context, f SessionFilter) ([]control.Session, error) {
	filter := bson.M{"$or": bson.A{bson.M{"expireAt": nil}, bson.M{"expireAt": bson.M{"$gt": f.Now}}}}
	if len(f.States) > 0 {
		filter["state"] = bson.M{"$in": f.States}
	}
	if f.Server != "" {
		filter["pipeline.server"] = f.Server
	}
	if f.After != "" {
		filter["_id"] = bson.M{"$gt": f.After}
	}
	page := options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(f.Limit))
	cursor, err := s.c.Find(ctx, filter, page)
	if err != nil {
		return nil, coded("list sessions", err)
	}
	var sessions []control.Session
	if err := cursor.All(ctx, &sessions); err != nil {
		return nil, coded("list sessions", err)
	}
	for i := range sessions {
		attach(&sessions[i])
	}
	return sessions, nil
}

// CountOnServer is how many sessions that are not closed have their pipeline on a server.
func (s *Sessions) CountOnServer(ctx context.Context, server control.MediaServerID) (int64, error) {
	n, err := s.c.CountDocuments(ctx, bson.M{
		"pipeline.server": server, "state": bson.M{"$ne": control.SessionClosed},
	})
	return n, coded(fmt.Sprintf("count the sessions of server %s", server), err)
}
