package store

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// byID is the filter for one document; guards are appended to it.
func byID[ID ~string](id ID) bson.D { return bson.D{{Key: "_id", Value: string(id)}} }

// updateOne is a guarded partial update: [ErrGuard] when the filter matches nothing. Filters of array elements are
// given in the order of their use.
func updateOne(
	ctx context.Context, c *mongo.Collection, doing string, filter, update any, arrayFilters ...any,
) error {
	o := options.Update()
	if len(arrayFilters) > 0 {
		o.SetArrayFilters(options.ArrayFilters{Filters: arrayFilters})
	}
	result, err := c.UpdateOne(ctx, filter, update, o)
	if err != nil {
		return coded(doing, err)
	}
	if result.MatchedCount == 0 {
		return ErrGuard
	}
	return nil
}

func isGuard(err error) bool    { return errors.Is(err, ErrGuard) }
func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }
