package store

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/orkestro/orkestro/pkg/control"
)

// Audit is the append-only collection "audit".
type Audit struct{ c *mongo.Collection }

// Append adds an entry. The same id again is no error: a redelivered request appends what it appended before.
func (a *Audit) Append(ctx context.Context, entry control.AuditEntry) error {
	_, err := a.c.InsertOne(ctx, entry)
	if mongo.IsDuplicateKeyError(err) {
		return nil
	}
	return coded("append to the audit "+entry.Object, err)
}

// AuditFilter chooses entries: the zero value of a field means any.
type AuditFilter struct {
	Object string    // "session:<id>", "server:<id>"...
	Since  time.Time // entries of this time and later
	After  string    // id of the last entry of the page before
	Limit  int
}

// List is a page of entries, oldest first (ids of entries are sorted by time).
func (a *Audit) List(ctx context.Context, f AuditFilter) ([]control.AuditEntry, error) {
	filter := bson.M{}
	if f.Object != "" {
		filter["object"] = f.Object
	}
	if !f.Since.IsZero() {
		filter["time"] = bson.M{"$gte": f.Since}
	}
	if f.After != "" {
		filter["_id"] = bson.M{"$gt": f.After}
	}
	page := options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(f.Limit))
	cursor, err := a.c.Find(ctx, filter, page)
	if err != nil {
		return nil, coded("list the audit", err)
	}
	entries := []control.AuditEntry{}
	if err := cursor.All(ctx, &entries); err != nil {
		return nil, coded("list the audit", err)
	}
	return entries, nil
}
