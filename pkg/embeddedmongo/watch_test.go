package embeddedmongo_test

import (
	"context"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// event is what the tests look at of a change event.
type event struct {
	Type         string `bson:"operationType"`
	FullDocument bson.M `bson:"fullDocument"`
	DocumentKey  bson.M `bson:"documentKey"`
	Update       *struct {
		Updated   bson.M   `bson:"updatedFields"`
		Removed   []string `bson:"removedFields"`
		Truncated []bson.M `bson:"truncatedArrays"`
	} `bson:"updateDescription"`
}

type watchable interface {
	Watch(context.Context, any, ...*options.ChangeStreamOptions) (*mongo.ChangeStream, error)
}

func watch(tb testing.TB, on watchable, opts ...*options.ChangeStreamOptions) *mongo.ChangeStream {
	tb.Helper()
	stream, err := on.Watch(tb.Context(), mongo.Pipeline{}, opts...)
	must(tb, err)
	tb.Cleanup(func() { _ = stream.Close(context.Background()) }) // the server may be gone by then
	return stream
}

func next(tb testing.TB, stream *mongo.ChangeStream) event {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 10*time.Second)
	defer cancel()
	if !stream.Next(ctx) {
		tb.Fatalf("no event: %v", stream.Err())
	}
	var e event
	must(tb, stream.Decode(&e))
	return e
}

func TestWatch_ShowsEveryKindOfChange(t *testing.T) {
	c := database(t).Collection("things")
	insert(t, c, bson.M{"_id": 0})
	stream := watch(t, c, options.ChangeStream().SetFullDocument(options.UpdateLookup))
	insert(t, c, bson.M{"_id": 1, "a": 1, "list": bson.A{1, 2, 3}})
	e := next(t, stream)
	equal(t, "insert", e.FullDocument, bson.M{"_id": int32(1), "a": int32(1), "list": bson.A{int32(1), int32(2), int32(3)}})

	_, err := c.UpdateOne(t.Context(), bson.M{"_id": 1}, bson.M{
		"$set": bson.M{"x.y": 1}, "$unset": bson.M{"a": ""}, "$pull": bson.M{"list": 3},
	})
	must(t, err)
	e = next(t, stream)
	equal(t, "update of", e.DocumentKey, bson.M{"_id": int32(1)})
	equal(t, "updated", e.Update.Updated["x"], any(bson.M{"y": int32(1)}))
	equal(t, "removed", e.Update.Removed, []string{"a"})
	equal(t, "looked up", e.FullDocument["x"], any(bson.M{"y": int32(1)}))

	_, err = c.ReplaceOne(t.Context(), bson.M{"_id": 1}, bson.M{"z": 1})
	must(t, err)
	e = next(t, stream)
	equal(t, "replace", e.FullDocument, bson.M{"_id": int32(1), "z": int32(1)})
}

func TestWatch_ResumesAfterToken(t *testing.T) {
	c := database(t).Collection("things")
	insert(t, c, bson.M{"_id": 0})
	stream := watch(t, c)
	insert(t, c, bson.M{"_id": 1}, bson.M{"_id": 2}, bson.M{"_id": 3})
	next(t, stream)
	for _, opts := range []*options.ChangeStreamOptions{
		options.ChangeStream().SetResumeAfter(stream.ResumeToken()),
		options.ChangeStream().SetStartAfter(stream.ResumeToken()),
	} {
		equal(t, "resumed at", next(t, watch(t, c, opts)).DocumentKey, bson.M{"_id": int32(2)})
	}
}

func TestWatch_DropInvalidates(t *testing.T) {
	db := database(t)
	c := db.Collection("things")
	insert(t, c, bson.M{"_id": 0})
	stream, whole := watch(t, c), watch(t, db)
	must(t, c.Drop(t.Context()))
	equal(t, "first", next(t, stream).Type, "drop")
	equal(t, "then", next(t, stream).Type, "invalidate")
	if stream.Next(t.Context()) || stream.ID() != 0 {
		t.Error("the stream goes on after invalidate")
	}
	equal(t, "of the database", next(t, whole).Type, "drop")
	insert(t, c, bson.M{"_id": 1})
	equal(t, "of the database", next(t, whole).Type, "insert")
	after := options.ChangeStream().SetStartAfter(stream.ResumeToken())
	equal(t, "started after invalidate", next(t, watch(t, c, after)).Type, "insert")
}

func TestWatch_MatchesAndTryNext(t *testing.T) {
	c := database(t).Collection("things")
	insert(t, c, bson.M{"_id": 0})
	stream, err := c.Watch(t.Context(), mongo.Pipeline{
		{{Key: "$match", Value: bson.M{"operationType": "insert", "fullDocument.a": 2}}},
		{{Key: "$project", Value: bson.M{"fullDocument": 0}}},
	})
	must(t, err)
	defer func() { _ = stream.Close(context.Background()) }()
	insert(t, c, bson.M{"_id": 1, "a": 1}, bson.M{"_id": 2, "a": 2})
	e := next(t, stream)
	equal(t, "matched", e.DocumentKey, bson.M{"_id": int32(2)})
	equal(t, "not shown", e.FullDocument, bson.M(nil))
}

func TestWatch_RefusesForeignToken(t *testing.T) {
	c := database(t).Collection("things")
	insert(t, c, bson.M{"_id": 0})
	token := bson.M{"_data": "8200000001000000012B0429296E1404"}
	_, err := c.Watch(t.Context(), mongo.Pipeline{}, options.ChangeStream().SetResumeAfter(token))
	if err == nil {
		t.Fatal("resumed after a token of nobody")
	}
}
