package embeddedmongo_test

import (
	"net"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/x/mongo/driver/wiremessage"

	"github.com/orkestro/orkestro/pkg/embeddedmongo"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/wire"
)

// TestRetryableWrite_IsExecutedOnce sends what a driver sends when the first reply was lost, also after a restart.
func TestRetryableWrite_IsExecutedOnce(t *testing.T) {
	dir := t.TempDir()
	server := start(t, embeddedmongo.Config{DataDir: dir})
	lsid := bson.D{{Key: "id", Value: primitive.Binary{Subtype: 4, Data: []byte("0123456789abcdef")}}}
	increment := func(number int64) bson.D {
		return bson.D{
			{Key: "findAndModify", Value: "things"},
			{Key: "query", Value: bson.D{{Key: "_id", Value: 1}}},
			{Key: "update", Value: bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}}},
			{Key: "upsert", Value: true},
			{Key: "new", Value: true},
			{Key: "lsid", Value: lsid},
			{Key: "txnNumber", Value: number},
		}
	}
	run := func(number int64) (int32, error) {
		var reply struct{ Value struct{ N int32 } }
		return reply.Value.N, exchange(t, server, increment(number), &reply)
	}
	for _, number := range []int64{7, 7, 7} {
		n, err := run(number)
		must(t, err)
		equal(t, "counted", n, int32(1))
	}
	must(t, server.Close())
	server = start(t, embeddedmongo.Config{DataDir: dir})
	n, err := run(7)
	must(t, err)
	equal(t, "counted after a restart", n, int32(1))
	n, err = run(8)
	must(t, err)
	equal(t, "counted by the next", n, int32(2))
	_, err = run(7)
	code(t, err, 225)
}

// exchange sends a command as it is, without a driver that would put its own session into it.
func exchange(tb testing.TB, server *embeddedmongo.Server, command bson.D, reply any) error {
	tb.Helper()
	conn, err := net.Dial("tcp", server.Address())
	must(tb, err)
	defer func() { _ = conn.Close() }()
	body, err := bson.Marshal(append(command, bson.E{Key: "$db", Value: "d"}))
	must(tb, err)
	index, message := wiremessage.AppendHeaderStart(nil, 1, 0, wiremessage.OpMsg)
	message = wiremessage.AppendMsgFlags(message, 0)
	message = wiremessage.AppendMsgSectionType(message, wiremessage.SingleDocument)
	message = bsoncore.UpdateLength(append(message, body...), index, int32(len(message)+len(body)))
	_, err = conn.Write(message)
	must(tb, err)
	answer, err := wire.Read(conn)
	must(tb, err)
	raw, err := bson.Marshal(answer.Command)
	must(tb, err)
	var failure struct {
		OK   float64
		Code int32
	}
	must(tb, bson.Unmarshal(raw, &failure))
	if failure.OK != 1 {
		return mongo.CommandError{Code: failure.Code}
	}
	return bson.Unmarshal(raw, reply)
}

func TestFindAndModify_IsAtomic(t *testing.T) {
	const workers, rounds = 8, 25
	c := database(t).Collection("things")
	var running sync.WaitGroup
	var mu sync.Mutex
	seen := map[int32]int{}
	for range workers {
		running.Go(func() {
			for range rounds {
				var doc struct{ N int32 }
				err := c.FindOneAndUpdate(t.Context(), bson.M{"_id": 1}, bson.M{"$inc": bson.M{"n": 1}},
					options.FindOneAndUpdate().SetUpsert(true).SetReturnDocument(options.After)).Decode(&doc)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				seen[doc.N]++
				mu.Unlock()
			}
		})
	}
	running.Wait()
	equal(t, "different results", len(seen), workers*rounds)
}
