package embeddedmongo_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/mongo/readconcern"
	"go.mongodb.org/mongo-driver/mongo/writeconcern"

	testmongo "github.com/orkestro/orkestro/pkg/testkit/mongo"
)

// The tests in this file pass on a real MongoDB too.

// database is one of its own, set up as the services do it.
func database(tb testing.TB) *mongo.Database {
	tb.Helper()
	url, name := testmongo.URL(tb)
	return connect(tb, url).Database(name)
}

func connect(tb testing.TB, url string) *mongo.Client {
	tb.Helper()
	client, err := mongo.Connect(tb.Context(), options.Client().ApplyURI(url).
		SetWriteConcern(writeconcern.Majority()).SetReadConcern(readconcern.Majority()).
		SetServerSelectionTimeout(10*time.Second).SetHeartbeatInterval(time.Second))
	must(tb, err)
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second) // the server may be gone by then
		defer cancel()
		_ = client.Disconnect(ctx)
	})
	return client
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func all(tb testing.TB, cursor *mongo.Cursor, err error) []bson.M {
	tb.Helper()
	must(tb, err)
	var docs []bson.M
	must(tb, cursor.All(tb.Context(), &docs))
	return docs
}

func insert(tb testing.TB, c *mongo.Collection, docs ...any) {
	tb.Helper()
	_, err := c.InsertMany(tb.Context(), docs)
	must(tb, err)
}

func one(tb testing.TB, c *mongo.Collection, id any) bson.M {
	tb.Helper()
	var doc bson.M
	must(tb, c.FindOne(tb.Context(), bson.M{"_id": id}).Decode(&doc))
	return doc
}

func equal(tb testing.TB, what string, got, want any) {
	tb.Helper()
	if d := cmp.Diff(want, got); d != "" {
		tb.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// code fails unless err is a server error of that code.
func code(tb testing.TB, err error, want int) {
	tb.Helper()
	var server mongo.ServerError
	if !errors.As(err, &server) || !server.HasErrorCode(want) {
		tb.Errorf("error is %v, want code %d", err, want)
	}
}

func TestInsert_DuplicateKeySaysWhich(t *testing.T) {
	c := database(t).Collection("things")
	insert(t, c, bson.M{"_id": "a"})
	_, err := c.InsertOne(t.Context(), bson.M{"_id": "a"})
	code(t, err, 11000)
	if !mongo.IsDuplicateKeyError(err) {
		t.Error("the driver does not see a duplicate key")
	}
}

func TestInsert_UnorderedGoesOn(t *testing.T) {
	c := database(t).Collection("things")
	docs := []any{bson.M{"_id": 1}, bson.M{"_id": 1}, bson.M{"_id": 2}}
	_, err := c.InsertMany(t.Context(), docs, options.InsertMany().SetOrdered(false))
	code(t, err, 11000)
	n, err := c.CountDocuments(t.Context(), bson.M{})
	must(t, err)
	equal(t, "documents", n, int64(2))
}

func TestFind_SortsSkipsLimitsAndShows(t *testing.T) {
	c := database(t).Collection("things")
	for i := range 250 {
		insert(t, c, bson.M{"_id": i, "n": i % 10, "users": bson.A{bson.M{"id": "u", "name": "x"}}})
	}
	cursor, err := c.Find(t.Context(), bson.M{"n": 3}, options.Find().
		SetSort(bson.D{{Key: "_id", Value: -1}}).SetSkip(1).SetLimit(2).SetProjection(bson.M{"users.id": 1}))
	equal(t, "found", all(t, cursor, err), []bson.M{
		{"_id": int32(233), "users": bson.A{bson.M{"id": "u"}}},
		{"_id": int32(223), "users": bson.A{bson.M{"id": "u"}}},
	})
	cursor, err = c.Find(t.Context(), bson.M{}, options.Find().SetBatchSize(7))
	equal(t, "read in batches", len(all(t, cursor, err)), 250)
}

func TestFind_Filters(t *testing.T) {
	c := database(t).Collection("things")
	insert(t, c,
		bson.M{"_id": 1, "name": "anna", "tags": bson.A{"x", "y"}, "n": 5, "sub": bson.M{"k": true}},
		bson.M{"_id": 2, "name": "Bert", "tags": bson.A{}, "n": 7.5},
		bson.M{"_id": 3, "n": nil, "list": bson.A{bson.M{"a": 1, "b": 2}, bson.M{"a": 2, "b": 1}}})
	for name, c2 := range map[string]struct {
		filter bson.M
		want   []int32
	}{
		"equality":            {bson.M{"name": "anna"}, []int32{1}},
		"in an array":         {bson.M{"tags": "y"}, []int32{1}},
		"range":               {bson.M{"n": bson.M{"$gte": 5, "$lt": 7}}, []int32{1}},
		"null or missing":     {bson.M{"n": nil}, []int32{3}},
		"not":                 {bson.M{"name": bson.M{"$not": bson.M{"$eq": "anna"}}}, []int32{2, 3}},
		"exists":              {bson.M{"sub.k": bson.M{"$exists": true}}, []int32{1}},
		"or":                  {bson.M{"$or": bson.A{bson.M{"_id": 1}, bson.M{"n": 7.5}}}, []int32{1, 2}},
		"elemMatch":           {bson.M{"list": bson.M{"$elemMatch": bson.M{"a": 1, "b": 2}}}, []int32{3}},
		"elemMatch with or":   {bson.M{"list": bson.M{"$elemMatch": bson.M{"$or": bson.A{bson.M{"a": 2}, bson.M{"a": 9}}}}}, []int32{3}},
		"elemMatch of none":   {bson.M{"list": bson.M{"$elemMatch": bson.M{"a": 1, "b": 1}}}, nil},
		"not in array":        {bson.M{"list.a": bson.M{"$ne": 2}}, []int32{1, 2}},
		"size":                {bson.M{"tags": bson.M{"$size": 0}}, []int32{2}},
		"regex":               {bson.M{"name": bson.M{"$regex": "^b", "$options": "i"}}, []int32{2}},
		"in with nothing":     {bson.M{"_id": bson.M{"$in": bson.A{}}}, nil},
		"id in":               {bson.M{"_id": bson.M{"$in": bson.A{3, 1}}}, []int32{1, 3}},
		"number across types": {bson.M{"_id": 2.0}, []int32{2}},
	} {
		t.Run(name, func(t *testing.T) {
			cursor, err := c.Find(t.Context(), c2.filter, options.Find().SetSort(bson.M{"_id": 1}))
			var ids []int32
			for _, doc := range all(t, cursor, err) {
				ids = append(ids, doc["_id"].(int32))
			}
			equal(t, "ids", ids, c2.want)
		})
	}
}

func TestFind_RefusesUnknownOperators(t *testing.T) {
	c := database(t).Collection("empty")
	_, err := c.Find(t.Context(), bson.M{"a": bson.M{"$nonsense": 1}})
	code(t, err, 2)
}

func TestUpdate_Operators(t *testing.T) {
	c := database(t).Collection("things")
	start := bson.M{
		"n": int32(2147483647), "sub": bson.M{"x": 1},
		"users": bson.A{
			bson.M{"id": "u1", "state": "in", "streams": bson.A{}}, bson.M{"id": "u2", "state": "in", "streams": bson.A{}},
		},
	}
	for name, c2 := range map[string]struct {
		filter, update bson.M
		filters        []any
		path           string
		want           any
	}{
		"set below":    {nil, bson.M{"$set": bson.M{"sub.y": "new"}}, nil, "sub", bson.M{"x": int32(1), "y": "new"}},
		"inc widens":   {nil, bson.M{"$inc": bson.M{"n": 1}}, nil, "n", int64(2147483648)},
		"inc missing":  {nil, bson.M{"$inc": bson.M{"m": int64(3)}}, nil, "m", int64(3)},
		"unset":        {nil, bson.M{"$unset": bson.M{"sub.x": ""}}, nil, "sub", bson.M{}},
		"push":         {nil, bson.M{"$push": bson.M{"list": "a"}}, nil, "list", bson.A{"a"}},
		"pull with or": {nil, bson.M{"$pull": bson.M{"users": bson.M{"$or": bson.A{bson.M{"id": "u1"}, bson.M{"id": "u2"}}}}}, nil, "users", bson.A{}},
		"min keeps":    {nil, bson.M{"$max": bson.M{"n": 1}}, nil, "n", int32(2147483647)},
		"positional": {
			bson.M{"users.id": "u2"},
			bson.M{"$set": bson.M{"users.$.state": "out"}},
			nil, "users.1.state", "out",
		},
		"positional by elemMatch": {
			bson.M{"users": bson.M{"$elemMatch": bson.M{"id": "u2", "state": "in"}}},
			bson.M{"$push": bson.M{"users.$.streams": "s"}},
			nil, "users.1.streams",
			bson.A{"s"},
		},
		"array filter": {
			nil,
			bson.M{"$set": bson.M{"users.$[u].state": "gone"}},
			[]any{bson.M{"u.id": "u1"}},
			"users.0.state", "gone",
		},
		"all elements": {nil, bson.M{"$set": bson.M{"users.$[].state": "all"}}, nil, "users.1.state", "all"},
	} {
		t.Run(name, func(t *testing.T) {
			doc := bson.M{"_id": name}
			filter := bson.M{"_id": name}
			for k, v := range start {
				doc[k] = v
			}
			for k, v := range c2.filter {
				filter[k] = v
			}
			insert(t, c, doc)
			opts := options.Update()
			if c2.filters != nil {
				opts.SetArrayFilters(options.ArrayFilters{Filters: c2.filters})
			}
			_, err := c.UpdateOne(t.Context(), filter, c2.update, opts)
			must(t, err)
			raw, err := c.FindOne(t.Context(), bson.M{"_id": name}).Raw()
			must(t, err)
			equal(t, c2.path, lookup(t, raw, c2.path), c2.want)
		})
	}
}

func TestUpdate_Refuses(t *testing.T) {
	c := database(t).Collection("things")
	insert(t, c, bson.M{"_id": 1, "a": bson.A{bson.M{"x": 1}}, "s": "text", "big": int64(9223372036854775807)})
	for name, c2 := range map[string]struct {
		update  bson.M
		filters []any
		code    int
	}{
		"another id":           {bson.M{"$set": bson.M{"_id": 2}}, nil, 66},
		"unused array filter":  {bson.M{"$set": bson.M{"b": 2}}, []any{bson.M{"e.x": 1}}, 9},
		"twice the same":       {bson.M{"$set": bson.M{"a.$[e].x": 2}}, []any{bson.M{"e.x": 1}, bson.M{"e.x": 2}}, 9},
		"filter missing":       {bson.M{"$set": bson.M{"a.$[e].x": 2}}, nil, 2},
		"conflicting paths":    {bson.M{"$set": bson.M{"b": 1, "b.c": 2}}, nil, 40},
		"inc of text":          {bson.M{"$inc": bson.M{"s": 1}}, nil, 14},
		"integer overflow":     {bson.M{"$inc": bson.M{"big": 1}}, nil, 2},
		"unknown operator":     {bson.M{"$frobnicate": bson.M{"b": 1}}, nil, 9},
		"field below text":     {bson.M{"$set": bson.M{"s.x": 1}}, nil, 28},
		"positional, no match": {bson.M{"$set": bson.M{"a.$.x": 1}}, nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			opts := options.Update()
			if c2.filters != nil {
				opts.SetArrayFilters(options.ArrayFilters{Filters: c2.filters})
			}
			_, err := c.UpdateOne(t.Context(), bson.M{"_id": 1}, c2.update, opts)
			code(t, err, c2.code)
		})
	}
}

func TestUpdate_CountsWhatChanged(t *testing.T) {
	c := database(t).Collection("things")
	insert(t, c, bson.M{"_id": 1, "a": 1}, bson.M{"_id": 2, "a": 2})
	result, err := c.UpdateMany(t.Context(), bson.M{}, bson.M{"$set": bson.M{"a": 2}})
	must(t, err)
	equal(t, "matched and modified", []int64{result.MatchedCount, result.ModifiedCount}, []int64{2, 1})
	result, err = c.UpdateOne(t.Context(), bson.M{"_id": 9}, bson.M{"$setOnInsert": bson.M{"a": 3}}, options.Update().SetUpsert(true))
	must(t, err)
	equal(t, "upserted", result.UpsertedID, any(int32(9)))
	equal(t, "document", one(t, c, 9), bson.M{"_id": int32(9), "a": int32(3)})
}

func TestReplace_KeepsID(t *testing.T) {
	c := database(t).Collection("things")
	insert(t, c, bson.M{"_id": 1, "a": 1})
	_, err := c.ReplaceOne(t.Context(), bson.M{"_id": 1}, bson.M{"b": 2})
	must(t, err)
	equal(t, "document", one(t, c, 1), bson.M{"_id": int32(1), "b": int32(2)})
	_, err = c.ReplaceOne(t.Context(), bson.M{"_id": 1}, bson.M{"_id": 2})
	code(t, err, 66)
}

func TestDelete(t *testing.T) {
	c := database(t).Collection("things")
	insert(t, c, bson.M{"_id": 1, "a": 1}, bson.M{"_id": 2, "a": 1}, bson.M{"_id": 3, "a": 1})
	result, err := c.DeleteOne(t.Context(), bson.M{"a": 1})
	must(t, err)
	equal(t, "deleted one", result.DeletedCount, int64(1))
	result, err = c.DeleteMany(t.Context(), bson.M{"a": 1})
	must(t, err)
	equal(t, "deleted many", result.DeletedCount, int64(2))
}

func TestFindAndModify(t *testing.T) {
	c := database(t).Collection("things")
	insert(t, c, bson.M{"_id": 1, "n": 1}, bson.M{"_id": 2, "n": 2})
	var doc bson.M
	must(t, c.FindOneAndUpdate(t.Context(), bson.M{}, bson.M{"$inc": bson.M{"n": 10}}, options.FindOneAndUpdate().
		SetSort(bson.M{"n": -1}).SetReturnDocument(options.After).SetProjection(bson.M{"n": 1, "_id": 0})).Decode(&doc))
	equal(t, "after", doc, bson.M{"n": int32(12)})
	doc = nil
	must(t, c.FindOneAndDelete(t.Context(), bson.M{"_id": 1}).Decode(&doc))
	equal(t, "deleted", doc, bson.M{"_id": int32(1), "n": int32(1)})
	err := c.FindOneAndUpdate(t.Context(), bson.M{"_id": 1}, bson.M{"$set": bson.M{"n": 1}}).Err()
	if !errors.Is(err, mongo.ErrNoDocuments) {
		t.Errorf("of none: %v", err)
	}
}

func TestAggregate(t *testing.T) {
	c := database(t).Collection("things")
	insert(t, c, bson.M{"_id": 1, "k": "a", "v": 1, "l": bson.A{1, 2}}, bson.M{"_id": 2, "k": "a", "v": 3},
		bson.M{"_id": 3, "k": "b", "v": 5, "l": bson.A{3}})
	cursor, err := c.Aggregate(t.Context(), bson.A{
		bson.M{"$group": bson.M{"_id": "$k", "n": bson.M{"$sum": 1}, "avg": bson.M{"$avg": "$v"}, "all": bson.M{"$push": "$v"}}},
		bson.M{"$sort": bson.M{"_id": 1}},
	})
	equal(t, "groups", all(t, cursor, err), []bson.M{
		{"_id": "a", "n": int32(2), "avg": 2.0, "all": bson.A{int32(1), int32(3)}},
		{"_id": "b", "n": int32(1), "avg": 5.0, "all": bson.A{int32(5)}},
	})
	cursor, err = c.Aggregate(t.Context(), bson.A{
		bson.M{"$match": bson.M{"k": "a"}}, bson.M{"$unwind": "$l"}, bson.M{"$project": bson.M{"_id": 0, "x": "$l"}},
	})
	equal(t, "unwound", all(t, cursor, err), []bson.M{{"x": int32(1)}, {"x": int32(2)}})
	_, err = c.Aggregate(t.Context(), bson.A{bson.M{"$nonsense": bson.M{}}})
	code(t, err, 40324)
}

func TestDistinctAndCount(t *testing.T) {
	c := database(t).Collection("things")
	insert(t, c, bson.M{"a": "x"}, bson.M{"a": bson.A{"y", "x"}}, bson.M{"b": 1})
	values, err := c.Distinct(t.Context(), "a", bson.M{})
	must(t, err)
	equal(t, "distinct", values, []any{"x", "y"})
	n, err := c.EstimatedDocumentCount(t.Context())
	must(t, err)
	equal(t, "estimated", n, int64(3))
}

func TestIndexes_UniqueAndListed(t *testing.T) {
	db := database(t)
	c := db.Collection("things")
	_, err := c.Indexes().CreateMany(t.Context(), []mongo.IndexModel{
		{Keys: bson.D{{Key: "a", Value: 1}, {Key: "b", Value: -1}}, Options: options.Index().SetUnique(true)},
		{Keys: bson.D{{Key: "at", Value: 1}}, Options: options.Index().SetExpireAfterSeconds(60)},
	})
	must(t, err)
	insert(t, c, bson.M{"_id": 1, "a": 1, "b": 1}, bson.M{"_id": 2, "a": 1, "b": 2})
	_, err = c.UpdateOne(t.Context(), bson.M{"_id": 2}, bson.M{"$set": bson.M{"b": 1}})
	code(t, err, 11000)
	specs, err := c.Indexes().ListSpecifications(t.Context())
	must(t, err)
	var names []string
	for _, spec := range specs {
		names = append(names, spec.Name)
	}
	equal(t, "indexes", names, []string{"_id_", "a_1_b_-1", "at_1"})
	_, err = c.Indexes().DropOne(t.Context(), "a_1_b_-1")
	must(t, err)
	_, err = c.UpdateOne(t.Context(), bson.M{"_id": 2}, bson.M{"$set": bson.M{"b": 1}})
	must(t, err)
	_, err = c.Indexes().DropOne(t.Context(), "nonsense")
	code(t, err, 27)
	collections, err := db.ListCollectionNames(t.Context(), bson.M{})
	must(t, err)
	equal(t, "collections", collections, []string{"things"})
}

func TestUnknownCommand(t *testing.T) {
	code(t, database(t).RunCommand(t.Context(), bson.D{{Key: "nonsense", Value: 1}}).Err(), 59)
}

func lookup(tb testing.TB, raw bson.Raw, path string) any {
	tb.Helper()
	var doc struct{ V any }
	value, err := raw.LookupErr(splitPath(path)...)
	must(tb, err)
	wrapped, err := bson.Marshal(bson.M{"v": value})
	must(tb, err)
	var m bson.M
	must(tb, bson.Unmarshal(wrapped, &m))
	doc.V = m["v"]
	return doc.V
}

func splitPath(path string) []string { return strings.Split(path, ".") }
