package store_test

import (
	"testing"

	"github.com/orkestro/orkestro/pkg/control"
)

func TestSessions_TheLastWordAboutAConnectionWins(t *testing.T) {
	s := open(t)
	insert(t, s, "s")
	ctx := t.Context()
	must(t, s.Sessions.AddUser(ctx, "s", user("a", "j"), 0))
	must(t, s.Sessions.AddConnection(ctx, "s", control.Connection{
		ID: "subscribe/a", User: "a", Kind: control.Subscribe, Join: "j", State: control.ConnectionConnected,
	}))
	read := session(t, s, "s").Connections[0]
	state := func() control.ConnectionState { return session(t, s, "s").Connections[0].State }

	// The media server speaks between a request's reading and its word: what it said stays.
	must(t, s.Sessions.SetConnectionState(ctx, "s", read, control.ConnectionFailed, 1, now))
	must(t, s.Sessions.SetOfferRequested(ctx, "s", read, "3"))
	if got := state(); got != control.ConnectionFailed {
		t.Errorf("got %s: the request has overwritten what the media server said", got)
	}

	mustGuard(t, s.Sessions.SetStopRequested(ctx, "s", read, "2"))
	must(t, s.Sessions.SetStopRequested(ctx, "s", read, "4"))
	mustGuard(t, s.Sessions.SetOfferRequested(ctx, "s", read, "3"))
	if got := state(); got != control.ConnectionClosed {
		t.Errorf("got %s, want it stopped", got)
	}
	must(t, s.Sessions.SetOfferRequested(ctx, "s", read, "5"))
	if got := state(); got != control.ConnectionNew {
		t.Errorf("got %s, want it begun again", got)
	}
}
