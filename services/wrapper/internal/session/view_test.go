package session_test

import (
	"errors"
	"testing"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/message"
)

// The answer to a viewer's offer was lost, and so was the media server when it is sent again.
func TestView_SentAgainUnderTheNextEpoch(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	view := message.View{Viewer: viewer, Seq: 1, SDP: "offer"}
	first, err := w.service[0].View(w.ctx, request("v"), view)
	must(t, err)
	next := *w.session().Pipeline
	next.ID, err = w.fleet.byID[next.Server].CreatePipeline(w.ctx, mediaapi.PipelineParams{Session: sid, Epoch: 2})
	must(t, err)
	must(t, w.store.Sessions.SetPipeline(w.ctx, sid, 1, next, nil))
	again, err := w.service[1].View(w.ctx, request("v"), view)
	must(t, err)
	if first.Epoch != 1 || again.Epoch != 2 {
		t.Errorf("answered under %d, then %d", first.Epoch, again.Epoch)
	}
	restart := message.View{Viewer: viewer, Epoch: 1, Seq: 2, SDP: "offer again"}
	must(t, w.store.Sessions.SetPipeline(w.ctx, sid, 2, next, nil))
	_, err = w.service[0].View(w.ctx, request("r"), restart)
	if control.CodeOf(err) != control.CodeStaleEpoch {
		t.Errorf("a restart of what is gone: %v", err)
	}
}

// Whoever asks for the messages of a user that WHIP brought in: there is no queue, and none is made.
func TestSync_MakesNoQueueForWHIP(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	join := message.Join{User: "obs", Protocol: control.ProtocolWHIP, Permissions: control.Permissions{Publish: true}}
	_, err := w.service[0].Join(w.ctx, request("j"), join)
	must(t, err)
	must(t, w.service[1].Sync(w.ctx, request("s"), message.Presence{User: "obs", Join: "j"}))
	err = w.broker.Send(w.ctx, message.UserQueue(sid, "obs").Name, broker.Message{ID: "m"})
	if !errors.Is(err, broker.ErrUnroutable) {
		t.Errorf("there is a queue: %v", err)
	}
}
