package reconcile

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

const (
	// relocationsEvery is the time between two looks for sessions whose move is to end: the pipeline that they have left
	// is kept for so much longer.
	relocationsEvery = 500 * time.Millisecond
	// askAgain is after how long one is asked again that was asked to end its move. Chosen: longer than that takes.
	askAgain = 5 * time.Second
	// ending bounds the moves that one round has ended; the next one goes on.
	ending = 500
)

// EndRelocations has the moves of sessions ended when everybody has moved or the time is up, until ctx ends. Every
// Wrapper does it: whoever began a move may be dead.
func (r *Reconciler) EndRelocations(ctx context.Context) {
	asked := map[control.SessionID]time.Time{}
	for {
		pause := relocationsEvery/2 + rand.N(relocationsEvery) //nolint:gosec // jitter needs no secrecy
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		if err := r.endRelocations(ctx, asked); err != nil && ctx.Err() == nil {
			r.log.Log(ctx, level(err), "relocations not ended, the next round goes on", slog.Any(logging.KeyError, err))
		}
	}
}

// endRelocations is one round. asked is when sessions were asked.
func (r *Reconciler) endRelocations(ctx context.Context, asked map[control.SessionID]time.Time) error {
	now := time.Now().UTC()
	due, err := r.store.Sessions.DueRelocations(ctx, now, ending)
	if err != nil {
		return err
	}
	for id, at := range asked {
		if now.Sub(at) >= askAgain {
			delete(asked, id)
		}
	}
	var group errgroup.Group
	group.SetLimit(sending)
	for _, sess := range due {
		if _, lately := asked[sess.ID]; lately {
			continue
		}
		asked[sess.ID] = now
		group.Go(func() error { return r.askToEnd(ctx, sess) })
	}
	return group.Wait()
}

// askToEnd repeats the request that a session is moved by: what is left to do of it is its end.
func (r *Reconciler) askToEnd(ctx context.Context, sess store.SessionSummary) error {
	move := sess.Relocation
	return session.Ask(ctx, r.sender, sess.ID, session.RelocateID(sess.ID, move.Epoch), message.TypeRelocate,
		message.Relocate{Epoch: move.Epoch, Pipeline: move.From.ID})
}
