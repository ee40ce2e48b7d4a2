package session_test

import (
	"testing"

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
