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

// MediaServerWatcher is told of every media server. Its methods are called one at a time and must not block.
type MediaServerWatcher interface {
	// Reset: exactly these are registered.
	Reset(servers []control.MediaServer)
	// Changed: this one is new or was changed.
	Changed(server control.MediaServer)
	// Removed: this one was taken off the list.
	Removed(id control.MediaServerID)
}

// Watch tells watcher of every media server, with each heartbeat, until ctx ends. One change stream serves the process.
func (m *MediaServers) Watch(ctx context.Context, watcher MediaServerWatcher, log *slog.Logger) error {
	return (&serverWatch{servers: m, to: watcher}).watcher(log).run(ctx)
}

type serverWatch struct {
	servers *MediaServers
	to      MediaServerWatcher
}

func (s *serverWatch) watcher(log *slog.Logger) *watcher {
	match := bson.M{"operationType": bson.M{"$in": bson.A{"insert", "update", "replace", "delete"}}}
	return &watcher{
		c: s.servers.c, log: log, pipeline: mongo.Pipeline{{{Key: "$match", Value: match}}},
		options: options.ChangeStream().SetFullDocument(options.UpdateLookup),
		reset:   s.reset, apply: s.apply,
	}
}

func (s *serverWatch) reset(ctx context.Context) error {
	servers, err := s.servers.List(ctx)
	if err == nil {
		s.to.Reset(servers)
	}
	return err
}

func (s *serverWatch) apply(raw bson.Raw) error {
	var change struct {
		Operation string `bson:"operationType"`
		Key       struct {
			ID control.MediaServerID `bson:"_id"`
		} `bson:"documentKey"`
		Server *control.MediaServer `bson:"fullDocument"`
	}
	if err := bson.Unmarshal(raw, &change); err != nil {
		return fmt.Errorf("store: read a change of a media server: %w", err)
	}
	switch {
	case change.Server != nil: // nil as well when it was deleted before it could be looked up
		s.to.Changed(*change.Server)
	default:
		s.to.Removed(change.Key.ID)
	}
	return nil
}
