package command

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/wire"
)

const (
	// SetName is the name of the one-node replica set; change streams and retryable writes need one.
	SetName = "orkestro"
	// maxWireVersion is that of MongoDB 7.0.
	maxWireVersion   = 21
	version          = "7.0.0"
	maxWriteBatch    = 100_000
	sessionMinutes   = 30
	maxDocumentBytes = 16 << 20
)

func (h *Handler) sessionCommands() map[string]command {
	return map[string]command{
		"hello": h.hello, "isMaster": h.hello, "ismaster": h.hello,
		"ping": h.ok, "refreshSessions": h.ok, "endSessions": h.endSessions, "killSessions": h.endSessions,
		"logout": h.ok,
	}
}

func (h *Handler) ok(context.Context, *request) (bson.D, error) { return nil, nil }

// hello presents this server as the primary of a replica set of one.
func (h *Handler) hello(_ context.Context, r *request) (bson.D, error) {
	now := time.Now()
	opTime := bson.D{{Key: "ts", Value: h.engine.Now().Timestamp()}, {Key: "t", Value: int64(1)}}
	date := primitive.NewDateTimeFromTime(now)
	return bson.D{
		{Key: "helloOk", Value: true},
		{Key: "ismaster", Value: true},
		{Key: "isWritablePrimary", Value: true},
		{Key: "secondary", Value: false},
		{Key: "setName", Value: SetName},
		{Key: "setVersion", Value: int32(1)},
		{Key: "hosts", Value: bson.A{r.client.Address}},
		{Key: "primary", Value: r.client.Address},
		{Key: "me", Value: r.client.Address},
		{Key: "lastWrite", Value: bson.D{
			{Key: "opTime", Value: opTime},
			{Key: "lastWriteDate", Value: date},
			{Key: "majorityOpTime", Value: opTime},
			{Key: "majorityWriteDate", Value: date},
		}},
		{Key: "maxBsonObjectSize", Value: int32(maxDocumentBytes)},
		{Key: "maxMessageSizeBytes", Value: int32(wire.MaxMessageBytes)},
		{Key: "maxWriteBatchSize", Value: int32(maxWriteBatch)},
		{Key: "localTime", Value: date},
		{Key: "logicalSessionTimeoutMinutes", Value: int32(sessionMinutes)},
		{Key: "connectionId", Value: int32(r.client.ID)},
		{Key: "minWireVersion", Value: int32(0)},
		{Key: "maxWireVersion", Value: int32(maxWireVersion)},
		{Key: "readOnly", Value: false},
	}, nil
}

func (h *Handler) endSessions(_ context.Context, r *request) (bson.D, error) {
	sessions, err := r.documents(r.name)
	if err != nil {
		return nil, err
	}
	for _, lsid := range sessions {
		h.engine.EndSession(sessionID(lsid))
	}
	return nil, nil
}
