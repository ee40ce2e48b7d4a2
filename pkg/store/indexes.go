package store

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// forgetReplica is how long the record of a replica stays that died without a word. Chosen: long enough for whoever
// looks for it, and short enough for one that dies again and again under new ids to stay below [maxReplicas].
const forgetReplica = time.Hour

// indexes is every index of every collection, made at start.
func indexes() map[string][]mongo.IndexModel {
	index := func(keys ...string) mongo.IndexModel {
		doc := bson.D{}
		for _, key := range keys {
			doc = append(doc, bson.E{Key: key, Value: 1})
		}
		return mongo.IndexModel{Keys: doc}
	}
	// few indexes a field that few documents have.
	few := func(key string) mongo.IndexModel {
		return mongo.IndexModel{Keys: bson.D{{Key: key, Value: 1}}, Options: options.Index().SetSparse(true)}
	}
	unique := func(key string) mongo.IndexModel {
		return mongo.IndexModel{Keys: bson.D{{Key: key, Value: 1}}, Options: options.Index().SetUnique(true)}
	}
	// number numbers the documents that have it: no two have the same.
	number := func(key string) mongo.IndexModel {
		return mongo.IndexModel{
			Keys: bson.D{{Key: key, Value: 1}}, Options: options.Index().SetUnique(true).SetSparse(true),
		}
	}
	// expire deletes a document so long after the time in its field.
	expire := func(key string, after time.Duration) mongo.IndexModel {
		return mongo.IndexModel{
			Keys:    bson.D{{Key: key, Value: 1}},
			Options: options.Index().SetExpireAfterSeconds(int32(after.Seconds())),
		}
	}
	return map[string][]mongo.IndexModel{
		"sessions": {
			index("state", "_id"), index("pipeline.server"), index("state", "emptySince"), expire("expireAt", 0),
			few("relocation.from.server"), few("relocation.until"),
		},
		"negotiations": {index("session")},
		"presence":     {index("seenAt"), index("session")},
		"idempotency":  {expire("expireAt", 0)},
		"restapis":     {expire("heartbeatAt", forgetReplica)},
		"wrappers":     {expire("heartbeatAt", forgetReplica)},
		"rollouts":     {unique("slot")},
		"audit":        {index("time", "_id"), index("object", "time", "_id"), number("seq")},
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
