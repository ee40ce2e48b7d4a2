package session_test

import (
	"testing"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// A rebuild may be delivered to a Wrapper that has not heard of the loss yet.
func TestRebuild_OvertakesTheNewsOfTheLoss(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	w.join("a")
	before := w.session().Pipeline
	must(t, w.store.MediaServers.SetStatus(w.ctx, before.Server, "i", control.StatusDown))
	must(t, w.service[0].Rebuild(w.ctx, request(session.RebuildID(sid, 1)), message.Rebuild{
		Epoch: 1, Pipeline: before.ID, Reason: session.ReasonServerDown,
	}))
	if after := w.session(); after.Epoch != 2 || after.Pipeline.Server == before.Server {
		t.Fatalf("still in epoch %d on %s", after.Epoch, after.Pipeline.Server)
	}
}
