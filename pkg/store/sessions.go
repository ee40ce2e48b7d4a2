package store

import (
	"context"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"

	"github.com/orkestro/orkestro/pkg/control"
)

// Sessions is the collection "sessions". Safe for concurrent use.
type Sessions struct{ c *mongo.Collection }

// Get reads one session, in whatever state it is. Errors: [ErrNotFound].
func (s *Sessions) Get(ctx context.Context, id control.SessionID) (*control.Session, error) {
	var session control.Session
	if err := s.c.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&session); err != nil {
		return nil, coded("read session "+string(id), err)
	}
	attach(&session)
	return &session, nil
}
