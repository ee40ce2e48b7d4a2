package session_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// clear is what the sweeper asks for when it finds that nothing was heard of a user for long that is not there.
func (w *world) clear(t *testing.T, user control.UserID) {
	t.Helper()
	heard, err := w.store.Presence.Get(w.ctx, sid, user)
	must(t, err)
	must(t, w.twice(func(s *session.Service) error {
		return s.Leave(w.ctx, request("clear"), message.Leave{
			Presence: message.Presence{User: user}, SeenAt: heard.SeenAt,
		})
	}))
}

// wantQueue checks whether a user has a queue and a presence, or neither.
func (w *world) wantQueue(t *testing.T, user control.UserID, want bool) {
	t.Helper()
	_, err := w.broker.Inspect(w.ctx, message.UserQueue(sid, user).Name)
	if got := !errors.Is(err, broker.ErrNotFound); got != want {
		t.Errorf("the queue of %s is there: %v (%v), want %v", user, got, err, want)
	}
	_, err = w.store.Presence.Get(w.ctx, sid, user)
	if got := !errors.Is(err, store.ErrNotFound); got != want {
		t.Errorf("the presence of %s is there: %v (%v), want %v", user, got, err, want)
	}
}

// A user leaves while a Wrapper is about to make its queue again, and that Wrapper dies right after. The request is
// refused when it comes again, because the user is gone.
func TestLeave_QueueIsMadeAgainMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	w.join("watcher")
	a := w.join("a")
	queue := message.UserQueue(sid, "a").Name
	late := func(ctx context.Context, s *session.Service) error { return s.Sync(ctx, request("sync"), a) }
	sync := begin(w, late)
	sync.until(t, "declare "+queue)
	must(t, w.service[0].Leave(w.ctx, request("leave"), message.Leave{Presence: a, Reason: "left"}))
	sync.advance()
	sync.kill()
	if code := control.CodeOf(late(w.ctx, w.service[0])); code != control.CodeNotFound {
		t.Fatalf("the sync is answered by %s", code)
	}
	if _, err := w.broker.Inspect(w.ctx, queue); err != nil {
		t.Fatalf("the queue was not made again: %v", err)
	}
	w.clear(t, "a")
	w.wantQueue(t, "a", false)
}

// A user leaves while a Wrapper is about to make its queue again. That one sees it, also when the exchange is gone,
// too.
func TestLeave_QueueIsTakenBack(t *testing.T) {
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprintf("exchange lost %v", lost), func(t *testing.T) {
			w := newWorld(t)
			w.create(0)
			w.join("watcher")
			a := w.join("a")
			queue, exchange := message.UserQueue(sid, "a").Name, message.SessionExchange(sid)
			sync := begin(w, func(ctx context.Context, s *session.Service) error { return s.Sync(ctx, request("sync"), a) })
			sync.until(t, "declare "+queue)
			must(t, w.service[0].Leave(w.ctx, request("leave"), message.Leave{Presence: a, Reason: "left"}))
			sync.until(t, "bind "+queue+" to "+exchange)
			if lost {
				must(t, w.broker.DeleteExchange(w.ctx, exchange))
			}
			sync.finish()
			if _, err := w.broker.Inspect(w.ctx, queue); !errors.Is(err, broker.ErrNotFound) {
				t.Errorf("the queue is there: %v", err)
			}
		})
	}
}

// A join has made the queue of its user when another takes the last place.
func TestJoin_RefusedLeavesNoQueue(t *testing.T) {
	w := newWorld(t)
	w.create(1)
	late := begin(w, func(ctx context.Context, s *session.Service) error {
		_, err := s.Join(ctx, request("join-b"), message.Join{User: "b", Permissions: all()})
		return err
	})
	late.until(t, "declare "+message.UserQueue(sid, "b").Name)
	w.join("a")
	late.finish()
	if code := control.CodeOf(late.err); code != control.CodeConflict {
		t.Fatalf("the second user of a session for one is answered by %s", code)
	}
	w.clear(t, "b")
	w.wantQueue(t, "b", false)
	w.wantQueue(t, "a", true)
}

// What is left of a user is not removed when the user is back, is joining, or was heard of.
func TestLeave_ClearsNobodyWhoIsThere(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a := w.join("a")
	w.clear(t, "a")
	w.wantQueue(t, "a", true)
	gone, err := w.store.Presence.Get(w.ctx, sid, "a")
	must(t, err)
	must(t, w.service[0].Leave(w.ctx, request("leave"), message.Leave{Presence: a, Reason: "left"}))
	join := begin(w, func(ctx context.Context, s *session.Service) error {
		_, err := s.Join(ctx, request("again"), message.Join{User: "a", Permissions: all()})
		return err
	})
	join.until(t, "declare "+message.UserQueue(sid, "a").Name)
	join.advance()
	must(t, w.service[0].Leave(w.ctx, request("clear"), message.Leave{
		Presence: message.Presence{User: "a"}, SeenAt: gone.SeenAt.Add(-time.Millisecond), // the join may be as fast as that
	}))
	w.wantQueue(t, "a", true)
	join.finish()
	must(t, join.err)
	wantTypes(t, w.told("a"), "joined", "user-joined")
}
