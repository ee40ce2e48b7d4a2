package session_test

import (
	"fmt"
	"testing"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// subscribeEvent is what the media server says about a user's subscribe connection.
func (w *world) subscribeEvent(p message.Presence) message.EndpointEvent {
	w.tb.Helper()
	sess := w.session()
	return message.EndpointEvent{
		Presence: p, Kind: control.Subscribe, Epoch: sess.Epoch, Pipeline: sess.Pipeline.ID,
		Endpoint: sess.Connection(p.User, control.Subscribe).Endpoint.ID,
	}
}

// state delivers one state, as often as it may be.
func (w *world) state(e message.EndpointEvent, number int64, state control.ConnectionState) {
	w.tb.Helper()
	must(w.tb, w.twice(func(s *session.Service) error {
		return s.MediaState(w.ctx, request(fmt.Sprintf("e%d/%d", e.Epoch, number)), message.MediaState{
			EndpointEvent: e, Number: number, State: state,
		})
	}))
}

func (w *world) isIn(p message.Presence, state control.ConnectionState, failures int) {
	w.tb.Helper()
	sess := w.session()
	if got := sess.Connection(p.User, control.Subscribe); got.State != state {
		w.tb.Errorf("the connection is %s, want %s", got.State, state)
	}
	if got := sess.User(p.User).Failures; got != failures {
		w.tb.Errorf("%d failures, want %d", got, failures)
	}
}

// States may overtake each other, and each may come several times: only what is newer than the last counts.
func TestMediaState_OlderOnesCountForNothing(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a := w.join("a")
	event := w.subscribeEvent(a)
	w.told("a")
	w.state(event, 4, control.ConnectionConnected)
	w.state(event, 3, control.ConnectionFailed)
	w.state(event, 1, control.ConnectionConnecting)
	w.isIn(a, control.ConnectionConnected, 0)
	wantTypes(t, w.told("a"), "connection-state")

	w.state(event, 6, control.ConnectionFailed)
	w.state(event, 5, control.ConnectionConnected)
	w.isIn(a, control.ConnectionFailed, 1)
	wantTypes(t, w.told("a"), "connection-failed")
	w.state(event, 7, control.ConnectionConnected)
	w.isIn(a, control.ConnectionConnected, 0)
}

// What a media server says of a pipeline that has been replaced concerns nobody.
func TestMediaState_OfAnEpochBefore(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a := w.join("a")
	before := w.subscribeEvent(a)
	must(t, w.service[0].Rebuild(w.ctx, request("r"), message.Rebuild{
		Epoch: 1, Pipeline: before.Pipeline, Gone: true, Reason: "server-down",
	}))
	now := w.subscribeEvent(a)
	if now.Epoch != 2 {
		t.Fatalf("epoch %d", now.Epoch)
	}
	w.state(now, 1, control.ConnectionConnected)
	w.told("a")
	w.state(before, 9, control.ConnectionFailed)
	w.isIn(a, control.ConnectionConnected, 0)
	if got := w.told("a"); len(got) != 0 {
		t.Errorf("a was told %v", distinct(got))
	}
}
