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
	States     []control.SessionState
	Server     control.MediaServerID // that has their pipeline
	Prefix     string                // that their id begins with: characters of a name, see [control.CheckName]
	Relocating bool                  // only those that are being relocated
	After      control.SessionID     // last session of the page before
	Now        time.Time             // closed sessions whose time is up by then are left out
	Limit      int
}

// behindNames comes after every character of an id in the order of the database, which is that of bytes.
const behindNames = "\x7f"

// List is a page of sessions by id.
func (s *Sessions) List(ctx context.Context, f SessionFilter) ([]control.Session, error) {
	filter := bson.M{"$or": bson.A{bson.M{"expireAt": nil}, bson.M{"expireAt": bson.M{"$gt": f.Now}}}}
	if len(f.States) > 0 {
		filter["state"] = bson.M{"$in": f.States}
	}
	if f.Server != "" {
		filter["pipeline.server"] = f.Server
	}
	if f.Relocating {
		filter["relocation"] = bson.M{"$ne": nil}
	}
	id := bson.M{}
	if f.Prefix != "" {
		id["$gte"], id["$lt"] = f.Prefix, f.Prefix+behindNames
	}
	if f.After != "" {
		id["$gt"] = f.After
	}
	if len(id) > 0 {
		filter["_id"] = id
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

// CountOnServer is how many sessions that are not closed have media on a server: their pipeline, or the one that they
// are being moved from.
func (s *Sessions) CountOnServer(ctx context.Context, server control.MediaServerID) (int64, error) {
	filter := hasMediaOn(server)
	filter["state"] = bson.M{"$ne": control.SessionClosed}
	n, err := s.c.CountDocuments(ctx, filter)
	return n, coded(fmt.Sprintf("count the sessions of server %s", server), err)
}
