package store

import (
	"context"
	"fmt"
	"log/slog"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/orkestro/orkestro/pkg/control"
)

// SessionWatcher is told which sessions are live, that is not yet closed. Its methods are called one at a time and must
// not block.
type SessionWatcher interface {
	// Reset: exactly these are live.
	Reset(live []control.SessionID)
	// Live: this one is; said at least once.
	Live(id control.SessionID)
	// Ended: this one is not any more.
	Ended(id control.SessionID)
}

// WatchLive tells watcher of every session that is live, until ctx ends. One change stream serves the process.
func (s *Sessions) WatchLive(ctx context.Context, watcher SessionWatcher, log *slog.Logger) error {
	return (&liveWatch{sessions: s, to: watcher}).watcher(log).run(ctx)
}

type liveWatch struct {
	sessions *Sessions
	to       SessionWatcher
}

func (l *liveWatch) watcher(log *slog.Logger) *watcher {
	const newState = "updateDescription.updatedFields.state"
	match := bson.M{"$or": bson.A{
		bson.M{"operationType": bson.M{"$in": bson.A{"insert", "delete"}}},
		bson.M{newState: bson.M{"$exists": true}},
	}}
	project := bson.M{"operationType": 1, "documentKey": 1, newState: 1}
	return &watcher{
		c: l.sessions.c, log: log, options: options.ChangeStream(),
		pipeline: mongo.Pipeline{{{Key: "$match", Value: match}}, {{Key: "$project", Value: project}}},
		reset:    l.reset, apply: l.apply,
	}
}

func (l *liveWatch) reset(ctx context.Context) error {
	ids, err := l.sessions.live(ctx)
	if err == nil {
		l.to.Reset(ids)
	}
	return err
}

func (l *liveWatch) apply(raw bson.Raw) error {
	var change struct {
		Operation string `bson:"operationType"`
		Key       struct {
			ID control.SessionID `bson:"_id"`
		} `bson:"documentKey"`
		Update struct {
			Fields struct {
				State control.SessionState `bson:"state"`
			} `bson:"updatedFields"`
		} `bson:"updateDescription"`
	}
	if err := bson.Unmarshal(raw, &change); err != nil {
		return fmt.Errorf("store: read a change of a session: %w", err)
	}
	switch {
	case change.Operation == "insert":
		l.to.Live(change.Key.ID)
	case change.Operation == "delete", change.Update.Fields.State == control.SessionClosed:
		l.to.Ended(change.Key.ID)
	}
	return nil
}
