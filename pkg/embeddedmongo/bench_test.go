package embeddedmongo_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"

	"github.com/orkestro/orkestro/pkg/embeddedmongo"
)

func fill(b *testing.B, c *mongo.Collection, n int) {
	b.Helper()
	for chunk := range slices.Chunk(make([]struct{}, n), 1000) {
		docs := make([]any, len(chunk))
		for i := range docs {
			docs[i] = bson.M{"state": "active", "seenAt": time.Now(), "n": 0}
		}
		insert(b, c, docs...)
	}
	insert(b, c, bson.M{"_id": "target", "n": 0, "state": "closed"})
}

func BenchmarkInsert(b *testing.B) {
	for name, dir := range map[string]string{"memory": "", "disk": b.TempDir()} {
		b.Run(name, func(b *testing.B) {
			server := start(b, embeddedmongo.Config{DataDir: dir})
			c := connect(b, server.URL()).Database("d").Collection("things")
			for b.Loop() {
				insert(b, c, bson.M{"state": "active"})
			}
		})
	}
}

func BenchmarkUpdateByID(b *testing.B) {
	for _, n := range []int{1_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := database(b).Collection("things")
			fill(b, c, n)
			for b.Loop() {
				_, err := c.UpdateByID(b.Context(), "target", bson.M{"$inc": bson.M{"n": 1}})
				must(b, err)
			}
		})
	}
}

func BenchmarkFindIn10k(b *testing.B) {
	for name, indexed := range map[string]bool{"scan": false, "index": true} {
		b.Run(name, func(b *testing.B) {
			c := database(b).Collection("things")
			fill(b, c, 10_000)
			if indexed {
				_, err := c.Indexes().CreateOne(b.Context(), mongo.IndexModel{Keys: bson.M{"state": 1}})
				must(b, err)
			}
			for b.Loop() {
				cursor, err := c.Find(b.Context(), bson.M{"state": "closed"})
				all(b, cursor, err)
			}
		})
	}
}

func BenchmarkWatchLatency(b *testing.B) {
	c := database(b).Collection("things")
	insert(b, c, bson.M{"_id": "first"})
	stream := watch(b, c)
	for b.Loop() {
		insert(b, c, bson.M{"a": 1})
		next(b, stream)
	}
}
