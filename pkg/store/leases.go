package store

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// Leases is the collection "leases": which process does what only one should do at a time. A lease saves double work;
// it excludes nobody for certain, because clocks of two machines do not agree. What is done under it is guarded like
// everything else. Safe for concurrent use.
type Leases struct{ c *mongo.Collection }

// Take takes or prolongs a lease until a time. Errors: [ErrGuard] while another one holds it.
func (l *Leases) Take(ctx context.Context, name, holder string, now, until time.Time) error {
	free := bson.A{
		bson.D{{Key: "holder", Value: holder}},
		bson.D{{Key: "until", Value: bson.D{{Key: "$lt", Value: now}}}},
	}
	_, err := l.c.UpdateOne(ctx, append(byID(name), bson.E{Key: "$or", Value: free}),
		bson.D{{Key: "$set", Value: bson.D{{Key: "holder", Value: holder}, {Key: "until", Value: until}}}},
		options.Update().SetUpsert(true))
	if mongo.IsDuplicateKeyError(err) {
		return ErrGuard
	}
	return coded(fmt.Sprintf("take the lease %s", name), err)
}

// Holder is who took a lease last; it may have run out since. Errors: [ErrNotFound] when nobody has it.
func (l *Leases) Holder(ctx context.Context, name string) (string, error) {
	var lease struct{ Holder string }
	err := l.c.FindOne(ctx, byID(name)).Decode(&lease)
	return lease.Holder, coded(fmt.Sprintf("read the lease %s", name), err)
}

// Give gives a lease back, so that the next one need not wait. One that is not held is no error.
func (l *Leases) Give(ctx context.Context, name, holder string) error {
	_, err := l.c.DeleteOne(ctx, append(byID(name), bson.E{Key: "holder", Value: holder}))
	return coded(fmt.Sprintf("give back the lease %s", name), err)
}
