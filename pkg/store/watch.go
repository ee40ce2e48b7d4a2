package store

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
)

const (
	// watchBackoffMin and watchBackoffMax bound the pause before a lost stream is opened again. Chosen: an election takes
	// seconds, and a Wrapper that is behind helps nobody.
	watchBackoffMin = 50 * time.Millisecond
	watchBackoffMax = 2 * time.Second
)

// watcher follows one collection: it opens the stream, then reads what is there, then applies what changes. Between two
// streams it keeps the resume token, so that what happened meanwhile comes after it; only a lost token makes it read
// everything again. One goroutine runs it.
type watcher struct {
	c        *mongo.Collection
	log      *slog.Logger
	pipeline mongo.Pipeline
	options  *options.ChangeStreamOptions
	reset    func(ctx context.Context) error // reads everything
	apply    func(raw bson.Raw) error        // takes one change

	token   bson.Raw
	backoff time.Duration
}

// run follows until ctx ends, and returns its error.
func (w *watcher) run(ctx context.Context) error {
	w.backoff = watchBackoffMin
	for {
		err := w.follow(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if tokenLost(err) {
			w.token = nil
		}
		pause := w.backoff/2 + rand.N(w.backoff/2+1) //nolint:gosec // jitter needs no secrecy
		level := slog.LevelWarn
		if control.CodeOf(coded("watch", err)) == control.CodeUnavailable {
			level = slog.LevelDebug // of an outage there is a line already
		}
		w.log.Log(ctx, level, "change stream lost, opening it again",
			slog.Any(logging.KeyError, err), slog.Int64(logging.KeyDuration, pause.Milliseconds()))
		w.backoff = min(2*w.backoff, watchBackoffMax)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// follow is one stream, until it is lost.
func (w *watcher) follow(ctx context.Context) error {
	o := *w.options
	if w.token != nil {
		o.SetResumeAfter(w.token)
	}
	stream, err := w.c.Watch(ctx, w.pipeline, &o)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close(context.WithoutCancel(ctx)) }()
	if w.token == nil {
		if err := w.reset(ctx); err != nil {
			return err
		}
	}
	w.token = stream.ResumeToken()
	for stream.Next(ctx) {
		if err := w.apply(stream.Current); err != nil {
			w.token = nil // it would come again and again; what it is about is read with everything
			return err
		}
		w.token = stream.ResumeToken()
		w.backoff = watchBackoffMin
	}
	if err := stream.Err(); err != nil {
		return err
	}
	return errStreamEnded
}

var errStreamEnded = errors.New("store: the change stream ended")

// tokenLost reports whether a stream cannot go on where it was, so that everything has to be read anew. The codes are
// MongoDB's: the log does not reach back so far, or it is another database (restored, say) that cannot read the token,
// or a change that it cannot give out.
func tokenLost(err error) bool {
	const historyLost, invalidToken, fatal = 286, 260, 280
	if errors.Is(err, errStreamEnded) {
		return true
	}
	var server mongo.ServerError
	return errors.As(err, &server) &&
		(server.HasErrorCode(historyLost) || server.HasErrorCode(invalidToken) || server.HasErrorCode(fatal))
}
