// Package command executes MongoDB commands on an engine: it reads their arguments, keeps cursors, and words replies
// and errors as drivers and mongosh expect them. The server calls it with decoded messages; it knows no sockets.
// What it answers follows https://www.mongodb.com/docs/manual/reference/command/, for version 7.0.
package command

import (
	"context"
	"log/slog"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/engine"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
	"github.com/orkestro/orkestro/pkg/logging"
)

// Client is the connection that a command comes from.
type Client struct {
	ID      int64
	Address string // of the server, as the client reached it: what hello tells it to connect to
	Peer    string
}

// Handler executes commands. Safe for concurrent use; [Handler.Close] ends its goroutine.
type Handler struct {
	engine   *engine.Engine
	cursors  *cursors
	commands map[string]command
	started  time.Time
	log      *slog.Logger
}

// command executes one kind of command; what it returns gets "ok" and the cluster time added.
type command func(ctx context.Context, r *request) (bson.D, error)

// request is one command with its arguments.
type request struct {
	args
	name   string
	db     string
	client Client
}

// namespace is the collection that the command's first field names.
func (r *request) namespace() (engine.Namespace, error) {
	name, ok := r.args[0].Value.(string)
	if !ok {
		return engine.Namespace{}, fault.New(fault.InvalidNamespace, "collection name has invalid type %T", r.args[0].Value)
	}
	return engine.Namespace{DB: r.db, Collection: name}, nil
}

// New is a handler for an engine, which it does not close.
func New(e *engine.Engine, log *slog.Logger) *Handler {
	h := &Handler{engine: e, cursors: newCursors(), started: time.Now(), log: log}
	h.commands = map[string]command{}
	for _, group := range []map[string]command{
		h.sessionCommands(), h.diagnosticCommands(), h.catalogCommands(), h.readCommands(), h.writeCommands(),
	} {
		for name, execute := range group {
			h.commands[name] = execute
		}
	}
	return h
}

// Close closes all cursors.
func (h *Handler) Close() { h.cursors.close() }

// Handle executes a command and returns the whole reply. A panic in it, which only a library's surprise about a
// document can be, fails that command alone.
func (h *Handler) Handle(ctx context.Context, client Client, body bson.D) (reply bson.D) {
	defer func() {
		if p := recover(); p != nil {
			h.log.Warn("command failed unexpectedly", logging.KeyType, body[0].Key, logging.KeyError, p)
			reply = h.finish(nil, fault.New(fault.InternalError, "%s failed: %v", body[0].Key, p))
		}
	}()
	return h.finish(h.execute(ctx, client, body))
}

func (h *Handler) execute(ctx context.Context, client Client, body bson.D) (bson.D, error) {
	r := &request{args: args(body), name: body[0].Key, client: client}
	db, err := r.text("$db")
	if err != nil {
		return nil, err
	}
	r.db = db
	execute := h.commands[r.name]
	switch {
	case execute == nil:
		return nil, fault.New(fault.CommandNotFound, "no such command: '%s'", r.name)
	case r.db == "":
		return nil, fault.New(fault.InvalidNamespace, "Invalid database name: ''")
	case r.has("autocommit"):
		return nil, fault.New(fault.NotSupportedInTransaction, "the embedded store has no transactions")
	}
	return execute(ctx, r)
}

// finish adds what every reply has.
func (h *Handler) finish(result bson.D, err error) bson.D {
	reply := make(bson.D, 0, len(result)+6)
	reply = append(reply, result...)
	if err != nil {
		reply = failure(fault.From(err, fault.InternalError))
	} else {
		reply = append(reply, bson.E{Key: "ok", Value: float64(1)})
	}
	now := h.engine.Now().Timestamp()
	signature := bson.D{{Key: "hash", Value: primitive.Binary{Data: make([]byte, 20)}}, {Key: "keyId", Value: int64(0)}}
	return append(reply,
		bson.E{Key: "$clusterTime", Value: bson.D{{Key: "clusterTime", Value: now}, {Key: "signature", Value: signature}}},
		bson.E{Key: "operationTime", Value: now})
}

func failure(err *fault.Error) bson.D {
	reply := bson.D{
		{Key: "ok", Value: float64(0)},
		{Key: "errmsg", Value: err.Message},
		{Key: "code", Value: int32(err.Code)},
		{Key: "codeName", Value: err.Code.String()},
	}
	reply = append(reply, err.Details...)
	if len(err.Labels) > 0 {
		labels := make(bson.A, len(err.Labels))
		for i, label := range err.Labels {
			labels[i] = label
		}
		reply = append(reply, bson.E{Key: "errorLabels", Value: labels})
	}
	return reply
}
