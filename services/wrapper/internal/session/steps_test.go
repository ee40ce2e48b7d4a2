package session_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit/fate"
)

func TestPlays_ThereIsOneForEveryTypeOfMessage(t *testing.T) {
	h := newTheatre(t)
	var played []string
	for _, p := range plays() {
		s := h.newStage()
		s.begin(p)
		played = append(played, p.letter(s).kind)
	}
	for _, kind := range h.newStage().living.Types() {
		if !slices.Contains(played, kind) {
			t.Errorf("there is no play with a %s", kind)
		}
	}
}

func (s *stage) begin(p play) {
	if p.given != nil {
		p.given(s)
	}
}

// sample counts the steps of a play. Under the race detector four of five are left out, of each play others.
type sample int

func (s *sample) out() bool {
	*s++
	return underRace && *s%5 != 0
}

// TestWrapper_DiesAtEveryStep kills the Wrapper that handles a message between every two of its effects. The next one
// that gets the message makes of it what one that does not die makes of it.
func TestWrapper_DiesAtEveryStep(t *testing.T) {
	for _, p := range plays() {
		t.Run(p.name, func(t *testing.T) {
			h := newTheatre(t)
			want, steps := h.undisturbed(p, nil)
			left := sample(len(p.name))
			for at, step := range steps {
				if at > 0 && strings.HasPrefix(step, "before") || left.out() {
					continue // as after the one before it
				}
				s := h.newStage()
				s.begin(p)
				d := p.letter(s).delivery(t)
				h.fate.Live(at, fate.Die)
				_ = s.mortal.Handle(s.ctx, d)
				lived := h.fate.Over()
				d.Attempts++
				s.handle(d)
				s.settle()
				s.mend()
				if diff := cmp.Diff(want, s.outcome()); diff != "" {
					t.Errorf("died %s: (-want +got)\n%s", lived[len(lived)-1], diff)
				}
			}
		})
	}
}

// TestWrapper_FreezesAtEveryStep stops the Wrapper that handles a message between every two of its effects, for so long
// that another has handled the message meanwhile, and what came next. When the first goes on, nothing of that changes.
func TestWrapper_FreezesAtEveryStep(t *testing.T) {
	interrupted(t, fate.Freeze, func(p play) []letter { return p.next })
}

// TestWrapper_StallsAtEveryStep stops it just as long as another needs to handle the message, which was delivered to
// both.
func TestWrapper_StallsAtEveryStep(t *testing.T) {
	interrupted(t, fate.Stall, func(play) []letter { return nil })
}

func interrupted(t *testing.T, how fate.End, next func(play) []letter) {
	t.Helper()
	for _, p := range plays() {
		t.Run(p.name, func(t *testing.T) {
			h := newTheatre(t)
			want, _ := h.undisturbed(p, next(p))
			_, steps := h.undisturbed(p, nil)
			left := sample(len(p.name))
			for at, step := range steps {
				if strings.HasPrefix(step, "after") || left.out() {
					continue // it may as well have read what it reads before the next
				}
				s := h.newStage()
				s.begin(p)
				d := p.letter(s).delivery(t)
				h.fate.Live(at, how)
				ended := make(chan struct{})
				go func(d broker.Delivery) {
					defer close(ended)
					_ = s.mortal.Handle(s.ctx, d)
				}(d)
				<-h.fate.Frozen()
				d.Attempts++
				s.handle(d)
				s.settle()
				s.deliver(next(p)...)
				h.fate.Thaw()
				<-ended
				where := h.fate.Over()[at]
				s.settle()
				s.mend()
				if diff := cmp.Diff(want, s.outcome()); diff != "" {
					t.Errorf("stopped %s: (-want +got)\n%s", where, diff)
				}
			}
		})
	}
}

// mend does what the slow loops of packages presence and reconcile do: what was made for a user that had gone is
// removed, endpoints that no connection and no viewer has, viewers whose endpoint is gone, and pipelines that the
// session has left.
func (s *stage) mend() {
	s.tb.Helper()
	sess, users, endpoints := s.session(), bson.A{}, map[string]bool{}
	for _, user := range sess.Users {
		users = append(users, user.ID)
	}
	for _, conn := range sess.Connections {
		endpoints[conn.Endpoint.ID] = true
	}
	views, err := s.store.Negotiations.Views(s.ctx, sid)
	must(s.tb, err)
	for _, view := range views {
		endpoints[view.Endpoint] = true
		for _, m := range s.fleet.byID {
			if m.endpoints[view.Endpoint] != nil {
				users = append(users, view.User)
			}
		}
	}
	for _, name := range []string{"presence", "negotiations"} {
		_, err := s.theatre.raw.Collection(name).DeleteMany(s.ctx, bson.M{"user": bson.M{"$nin": users}})
		must(s.tb, err)
	}
	for _, m := range s.fleet.byID {
		maps.DeleteFunc(m.pipelines, func(id, key string) bool {
			wanted := slices.ContainsFunc(sess.Pipelines(), func(p control.PipelineRef) bool { return p.ID == id })
			return !wanted && key <= fmt.Sprintf("%s/%d", sid, sess.Epoch)
		})
		maps.DeleteFunc(m.endpoints, func(id string, _ *endpoint) bool { return !endpoints[id] })
	}
}

// undisturbed is what a play leaves behind when nobody dies, and its steps.
func (h *theatre) undisturbed(p play, next []letter) (outcome map[string]any, steps []string) {
	h.tb.Helper()
	s := h.newStage()
	s.begin(p)
	h.fate.Live(fate.Never, fate.Die)
	must(h.tb, s.mortal.Handle(s.ctx, p.letter(s).delivery(h.tb)))
	steps = h.fate.Over()
	s.settle()
	s.deliver(next...)
	s.mend()
	return s.outcome(), steps
}
