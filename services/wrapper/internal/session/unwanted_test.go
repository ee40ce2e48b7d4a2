package session_test

import (
	"context"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// A Wrapper is about to make the endpoint for an offer. Another, which got the offer, too, answers it, and its user stops
// publishing before the first goes on: what that one makes then nobody wants.
func TestPublish_EndpointMadeAfterTheStop(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a := w.join("a")
	offer := message.Publish{Presence: a, Epoch: 1, Seq: 1, SDP: "offer cam:audio"}
	late := begin(w, func(ctx context.Context, s *session.Service) error {
		_, err := s.Publish(ctx, request("p1"), offer)
		return err
	})
	_, err := w.service[0].Publish(w.ctx, request("p1"), offer)
	must(t, err)
	must(t, w.service[0].Unpublish(w.ctx, request("u1"), message.Unpublish{Presence: a, UpTo: 1}))
	for !late.done {
		late.advance()
	}
	for _, server := range w.fleet.byID {
		for id := range server.endpoints {
			if strings.Contains(id, "publish") {
				t.Errorf("endpoint %s is left", id)
			}
		}
	}
}

// A user stops publishing and publishes again, and two Wrappers have the two requests at once: whichever step the offer
// was at when the other Wrapper marked the connection as closed, in the end the user publishes, and everybody knows.
func TestPublish_AgainWhileItIsStopped(t *testing.T) {
	for steps := 0; ; steps++ {
		w := newWorld(t)
		w.create(0)
		a := w.join("a")
		w.join("watcher")
		w.publish(a, 1, "offer cam:audio")
		again := begin(w, func(ctx context.Context, s *session.Service) error {
			_, err := s.Publish(ctx, request("p2"), message.Publish{Presence: a, Epoch: 1, Seq: 2, SDP: "offer cam:audio"})
			return err
		})
		for range steps {
			if !again.done {
				again.advance()
			}
		}
		ended := again.done
		stop := begin(w, func(ctx context.Context, s *session.Service) error {
			return s.Unpublish(ctx, request("u1"), message.Unpublish{Presence: a, Epoch: 1, UpTo: 1})
		})
		for !again.done {
			again.advance()
		}
		for !stop.done {
			stop.advance()
		}
		must(t, stop.err)
		if again.err != nil {
			w.publish(a, 2, "offer cam:audio") // as another delivery
		}
		w.published(t, steps)
		if ended {
			return
		}
	}
}

// published checks that user a publishes cam, with an endpoint that is there, whose answer is the one that is kept, and
// that the watcher has heard of it.
func (w *world) published(t *testing.T, steps int) {
	t.Helper()
	sess := w.session()
	conn := sess.Connection("a", control.Publish)
	if conn.Seq != 2 || conn.State == control.ConnectionClosed {
		t.Errorf("after %d steps of the offer: the connection is %s at offer %d", steps, conn.State, conn.Seq)
	}
	if server := w.fleet.byID[conn.Endpoint.Pipeline.Server]; server == nil || server.endpoints[conn.Endpoint.ID] == nil {
		t.Errorf("after %d steps of the offer: endpoint %q is gone", steps, conn.Endpoint.ID)
	}
	negotiation, err := w.store.Negotiations.Get(w.ctx, control.NegotiationID(sid, "a", control.Publish))
	must(t, err)
	if a, want := negotiation.AnswerBy(conn.Endpoint.ID, 2), "answer 2 by "+conn.Endpoint.ID; a == nil || a.SDP != want {
		t.Errorf("after %d steps of the offer: kept is %+v, want %q", steps, negotiation.Answers, want)
	}
	heard := map[string]bool{}
	for _, m := range w.told("watcher") {
		switch m.Type {
		case message.UserTypeStreamAdded:
			heard["cam"] = true
		case message.UserTypeStreamRemoved:
			delete(heard, "cam")
		}
	}
	if streams := sess.User("a").Streams; len(streams) != 1 || !heard["cam"] {
		t.Errorf("after %d steps of the offer: %d streams, the watcher heard %v", steps, len(streams), heard)
	}
}
