package store

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/orkestro/orkestro/pkg/control"
)

// Audit is the append-only collection "audit": a chain in which each entry holds the hash of the one before (package
// audit). Safe for concurrent use.
type Audit struct {
	c *mongo.Collection

	mu      sync.Mutex
	waiting []*appending
	working bool
	worker  sync.WaitGroup // while working

	known atomic.Int64 // a number that the chain has reached
}

// AuditFilter chooses entries: the zero value of a field means any.
type AuditFilter struct {
	Object string    // "session:<id>", "server:<id>"...
	Since  time.Time // entries of this time and later
	Newest bool      // newest first, else oldest first
	Chain  bool      // those in the chain, in its order; AfterSeq is the number of the last one of the page before
	Loose  bool      // those that are not in it, by id: of before it was there, or with a number that is none
	// AfterTime and AfterID are those of the last entry of the page before.
	AfterTime time.Time
	AfterID   string
	AfterSeq  int64
	Limit     int
}

// List is a page of entries.
func (a *Audit) List(ctx context.Context, f AuditFilter) ([]control.AuditEntry, error) {
	filter, order := f.query()
	cursor, err := a.c.Find(ctx, filter, options.Find().SetSort(order).SetLimit(int64(f.Limit)))
	if err != nil {
		return nil, coded("list the audit", err)
	}
	entries := []control.AuditEntry{}
	if err := cursor.All(ctx, &entries); err != nil {
		return nil, coded("list the audit", err)
	}
	return entries, nil
}

// query is the filter and the order in which the database is asked.
func (f AuditFilter) query() (filter bson.M, order bson.D) {
	filter = bson.M{}
	if f.Object != "" {
		filter["object"] = f.Object
	}
	if !f.Since.IsZero() {
		filter["time"] = bson.M{"$gte": f.Since}
	}
	switch {
	case f.Chain && f.Newest && f.AfterSeq > 0:
		filter["seq"] = bson.M{"$lt": f.AfterSeq}
		return filter, bson.D{{Key: "seq", Value: -1}}
	case f.Chain && f.Newest:
		filter["seq"] = bson.M{"$gt": 0}
		return filter, bson.D{{Key: "seq", Value: -1}}
	case f.Chain:
		filter["seq"] = bson.M{"$gt": f.AfterSeq}
		return filter, bson.D{{Key: "seq", Value: 1}}
	case f.Loose:
		filter["seq"] = bson.M{"$not": bson.M{"$gt": 0}}
		filter["_id"] = bson.M{"$gt": f.AfterID}
		return filter, bson.D{{Key: "_id", Value: 1}}
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
	return filter, bson.D{{Key: "time", Value: direction}, {Key: "_id", Value: direction}}
}
