package store

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// indexes is every index of every collection, made at start.
func indexes() map[string][]mongo.IndexModel {
	index := func(keys ...string) mongo.IndexModel {
		doc := bson.D{}
		for _, key := range keys {
			doc = append(doc, bson.E{Key: key, Value: 1})
		}
		return mongo.IndexModel{Keys: doc}
	}
	// expire deletes a document when the time in its field has passed.
	expire := func(key string) mongo.IndexModel {
		return mongo.IndexModel{Keys: bson.D{{Key: key, Value: 1}}, Options: options.Index().SetExpireAfterSeconds(0)}
	}
	return map[string][]mongo.IndexModel{
		"sessions":     {index("state", "_id"), index("pipeline.server"), index("state", "emptySince"), expire("expireAt")},
		"negotiations": {index("session")},
		"presence":     {index("seenAt"), index("session")},
		"idempotency":  {expire("expireAt")},
		"audit":        {index("time", "_id"), index("object", "time", "_id")},
	}
}

func ensureIndexes(ctx context.Context, db *mongo.Database) error {
	for collection, models := range indexes() {
		if _, err := db.Collection(collection).Indexes().CreateMany(ctx, models); err != nil {
			return coded(fmt.Sprintf("make the indexes of %s", collection), err)
		}
	}
	return nil
}
