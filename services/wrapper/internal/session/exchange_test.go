package session_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// The broker has lost everything, and while a Wrapper makes the exchange again, or dies doing so, somebody tries to say
// something to all, before every step: what the broker takes reaches everybody, what it does not take is not promised.
func TestRestoredExchange_TakesNothingThatMissesSomebody(t *testing.T) {
	killedAt := 0
	for finished := false; !finished; killedAt++ {
		t.Run(fmt.Sprintf("killed at step %d", killedAt), func(t *testing.T) {
			w := newWorld(t)
			w.create(0)
			users := []control.UserID{"a", "b", "c"}
			present := make([]message.Presence, len(users))
			for i, user := range users {
				present[i] = w.join(user)
			}
			w.loseEverything(users)
			var taken []string
			say := func() {
				id := fmt.Sprintf("said-%d", len(taken))
				if w.broker.Broadcast(w.ctx, message.SessionExchange(sid), broker.Message{ID: id, Body: []byte("{}")}) == nil {
					taken = append(taken, id)
				}
			}
			finished = restoreUntil(w, killedAt, present[0], say)
			must(t, w.service[0].Sync(w.ctx, request("s2"), present[1])) // another Wrapper gets the request of somebody
			say()
			if len(taken) == 0 {
				t.Fatal("the exchange takes nothing")
			}
			for _, user := range users {
				if missed := w.missed(user, taken); len(missed) > 0 {
					t.Errorf("%s missed %v of %v", user, missed, taken)
				}
			}
		})
	}
	if killedAt < 10 {
		t.Errorf("it took %d steps only", killedAt)
	}
}

// restoreUntil has a Wrapper handle the request that finds the exchange gone, up to a step. It reports whether that was
// all of it.
func restoreUntil(w *world, killedAt int, of message.Presence, say func()) bool {
	p := begin(w, func(ctx context.Context, s *session.Service) error { return s.Sync(ctx, request("s1"), of) })
	for range killedAt {
		if p.done {
			return true
		}
		say()
		p.advance()
	}
	p.kill()
	return false
}

// loseEverything takes away what the broker has of the session.
func (w *world) loseEverything(users []control.UserID) {
	must(w.tb, w.broker.DeleteExchange(w.ctx, message.SessionExchange(sid)))
	for _, user := range users {
		must(w.tb, w.broker.DeleteQueue(w.ctx, message.UserQueue(sid, user).Name))
	}
}

// missed is which of these messages are not in the user's queue.
func (w *world) missed(user control.UserID, ids []string) []string {
	there := w.drain(message.UserQueue(sid, user).Name)
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		return slices.ContainsFunc(there, func(m broker.Message) bool { return m.ID == id })
	})
}
