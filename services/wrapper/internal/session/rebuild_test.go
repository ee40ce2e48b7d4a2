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

// While no media server has room rebuilds are asked for again and again: none of them is one for the dead letters.
func TestRebuild_WithoutAPlaceIsNoPoison(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	w.join("a")
	before := w.session().Pipeline
	for _, id := range []control.MediaServerID{"m1", "m2"} {
		must(t, w.store.MediaServers.SetStatus(w.ctx, id, "i", control.StatusDown))
		w.fleet.down[id] = true
	}
	r := request(session.RebuildID(sid, 1))
	asked := message.Rebuild{Epoch: 1, Pipeline: before.ID, Reason: session.ReasonServerDown}
	if err := w.service[0].Rebuild(w.ctx, r, asked); !session.Retryable(err) {
		t.Fatalf("not to be tried again: %v", err)
	}
	r.Last = true
	must(t, w.service[0].Rebuild(w.ctx, r, asked))
	if after := w.session(); after.Epoch != 1 {
		t.Fatalf("in epoch %d", after.Epoch)
	}
}
