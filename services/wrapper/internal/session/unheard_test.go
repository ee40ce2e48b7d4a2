package session_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// A Wrapper that dies between any two steps of telling a user the state leaves the user without what is told to everybody
// until the request is handled again. Of two messages with one id a client reads the first, so what came between must
// not be in the second alone.
func TestTold_NothingIsMissedWhileTheWrapperIsDead(t *testing.T) {
	for name, handle := range map[string]func(w *world, s *session.Service) error{
		"join": func(w *world, s *session.Service) error {
			_, err := s.Join(w.ctx, request("join-b"), message.Join{User: "b", Permissions: all()})
			return err
		},
		"sync": func(w *world, s *session.Service) error {
			return s.Sync(w.ctx, request("sync-b"), message.Presence{User: "b", Join: "join-b"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			for steps := range 12 {
				w := newWorld(t)
				w.create(0)
				a := w.join("a")
				if name == "sync" {
					w.join("b")
					must(t, w.broker.DeleteQueue(w.ctx, message.UserQueue(sid, "b").Name))
				} else {
					must(t, w.broker.DeclareQueue(w.ctx, message.UserQueue(sid, "b")))
				}
				dying := newDying(w, steps)
				_ = handle(w, dying.service())
				w.publish(a, 1, "offer cam:audio")
				must(t, handle(w, w.service[0]))
				want := map[control.StreamID]bool{control.StreamIDFor("a", "cam"): true}
				if diff := cmp.Diff(want, streamsTold(t, w.told("b"))); diff != "" {
					t.Errorf("died at step %d (%v): (-want +got)\n%s", steps, dying.died, diff)
				}
			}
		})
	}
}

// streamsTold is the streams that a client knows after these messages.
func streamsTold(t *testing.T, list []message.UserMessage) map[control.StreamID]bool {
	t.Helper()
	known, read := map[control.StreamID]bool{}, map[string]bool{}
	for _, m := range list {
		if read[m.ID] {
			continue
		}
		read[m.ID] = true
		one := []message.UserMessage{m}
		switch m.Type {
		case message.UserTypeJoined, message.UserTypeSync:
			clear(known)
			for _, u := range data[message.SyncData](t, one, m.Type).Users { // joined has its users in the same place
				for _, s := range u.Streams {
					known[s.ID] = true
				}
			}
		case message.UserTypeStreamAdded:
			known[data[message.StreamData](t, one, m.Type).Stream.ID] = true
		}
	}
	return known
}
