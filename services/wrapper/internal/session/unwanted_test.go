package session_test

import (
	"context"
	"strings"
	"testing"

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
