package session_test

import (
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// A request to take a silent user out may have lain in its queue while no Wrapper was there, and the user be back.
func TestLeave_SparesWhoWasHeardOfSince(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a := w.join("a")
	found, err := w.store.Presence.Get(w.ctx, sid, "a")
	must(t, err)
	timeout := message.Leave{Presence: a, Reason: session.ReasonTimeout, SeenAt: found.SeenAt}
	must(t, w.store.Presence.Touch(w.ctx, []store.UserKey{{Session: sid, User: "a"}}, found.SeenAt.Add(time.Second)))
	must(t, w.service[0].Leave(w.ctx, request("early"), timeout))
	if w.session().User("a") == nil {
		t.Fatal("removed although it was heard of")
	}

	timeout.SeenAt = timeout.SeenAt.Add(time.Second)
	must(t, w.store.Sessions.MarkLeaving(w.ctx, sid, "a", a.Join, timeout.Reason))
	must(t, w.store.Presence.Touch(w.ctx, []store.UserKey{{Session: sid, User: "a"}}, timeout.SeenAt.Add(time.Second)))
	must(t, w.service[0].Leave(w.ctx, request("late"), timeout))
	if sess := w.session(); sess.User("a") != nil || len(sess.Leaving) != 0 {
		t.Fatal("whoever took it out died, and nobody finished it")
	}
}
