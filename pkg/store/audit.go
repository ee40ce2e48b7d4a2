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
	Newest bool      // newest first, else oldest first
	// AfterTime and AfterID are those of the last entry of the page before.
	AfterTime time.Time
	AfterID   string
	Limit     int
}

// List is a page of entries.
func (a *Audit) List(ctx context.Context, f AuditFilter) ([]control.AuditEntry, error) {
	filter := bson.M{}
	if f.Object != "" {
		filter["object"] = f.Object
	}
	if !f.Since.IsZero() {
		filter["time"] = bson.M{"$gte": f.Since}
	}
	direction, behind := 1, "$gt"
	if f.Newest {
		direction, behind = -1, "$lt"
	}
	if f.AfterID != "" {
		filter["$or"] = bson.A{
			bson.M{"time": bson.M{behind: f.AfterTime}},
			bson.M{"time": f.AfterTime, "_id": bson.M{behind: f.AfterID}},
		}
	}
	order := bson.D{{Key: "time", Value: direction}, {Key: "_id", Value: direction}}
	page := options.Find().SetSort(order).SetLimit(int64(f.Limit))
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
