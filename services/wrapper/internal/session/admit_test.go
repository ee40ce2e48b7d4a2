package session_test

import (
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// A server whose record is no longer the one that was admitted gets no session, though what was last seen of it is.
func TestCreate_AsksForMembershipOfTheRecordAsItIs(t *testing.T) {
	w := newWorld(t)
	m1, err := w.store.MediaServers.Get(w.ctx, "m1")
	must(t, err)
	changed := control.Membership{Token: "left over"}
	must(t, w.store.MediaServers.SetMembership(w.ctx, m1.ID, m1.Instance, changed))
	cfg := session.Config{Admit: func(s control.MediaServer) string {
		if s.Membership != nil && *s.Membership == changed {
			return "membership expired"
		}
		return ""
	}}
	service := session.New(cfg, w.store, w.broker, w.fleet, session.NewMetrics(prometheus.NewRegistry()),
		slog.New(slog.DiscardHandler))
	if _, err := service.Create(w.ctx, request("create"), message.CreateSession{ID: sid}); err != nil {
		t.Fatal(err)
	}
	must(t, w.broker.DeclareQueue(w.ctx, message.UserQueue(sid, "u")))
	_, err = service.Join(w.ctx, request("join"), message.Join{User: "u", Permissions: all()})
	must(t, err)
	if on := w.session().Pipeline; on == nil || on.Server != "m2" {
		t.Errorf("placed on %+v", on)
	}
	m1, err = w.store.MediaServers.Get(w.ctx, "m1")
	must(t, err)
	if m1.Placed != 0 {
		t.Errorf("%d places are reserved on the one that is refused", m1.Placed)
	}
}
