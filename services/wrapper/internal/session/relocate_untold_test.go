package session_test

import (
	"slices"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// Who began a move died right after it was stored, and nobody went on before its time was up: users hear of the new
// pipeline before they lose the other one.
func TestRelocate_NobodyLosesMediaWithoutBeingToldWhereItGoesOn(t *testing.T) {
	w := movable(t)
	from, to := *w.session().Pipeline, control.PipelineRef{}
	for id, server := range w.fleet.byID {
		if id == from.Server {
			continue
		}
		pipeline, err := server.CreatePipeline(w.ctx, mediaapi.PipelineParams{Session: sid, Epoch: 2})
		must(t, err)
		there, err := w.store.MediaServers.Get(w.ctx, id)
		must(t, err)
		to = control.PipelineRef{ID: pipeline, Server: id, Instance: there.Instance}
		break
	}
	must(t, w.store.Sessions.BeginRelocation(w.ctx, sid, control.Relocation{
		From: from, Epoch: 1, Since: time.Now().Add(-time.Hour), Until: time.Now().Add(-time.Minute),
	}, to))

	w.relocate()

	told := w.told("b")
	if got, want := distinct(told), []string{"reconnect", "disconnected"}; !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
	if epoch := data[message.EpochData](t, told, "reconnect").Epoch; epoch != 2 {
		t.Errorf("told to reconnect in epoch %d", epoch)
	}
	if c := w.connection(2, "b", control.Subscribe); c.Endpoint.ID == "" {
		t.Errorf("b is offered nothing: %+v", c)
	}
	if sess := w.session(); sess.Relocation != nil {
		t.Errorf("the move goes on: %+v", sess.Relocation)
	}
	entries, err := w.store.Audit.List(w.ctx, store.AuditFilter{Object: "session:" + string(sid), Limit: 100})
	must(t, err)
	if !slices.ContainsFunc(entries, func(e control.AuditEntry) bool { return e.Action == "session.relocate" }) {
		t.Error("the audit does not tell of the move")
	}
}

// The server that a session is moved to is lost, and no other takes the session: it keeps what it has for longer than a
// move takes, until there is one.
func TestRelocate_KeepsTheOldPipelineWhileTheNewOneIsLost(t *testing.T) {
	w := movable(t)
	from := w.session().Pipeline.Server
	w.relocate()
	to := w.session().Pipeline.Server
	must(t, w.store.MediaServers.SetStatus(w.ctx, to, "i", control.StatusDown))
	w.fleet.down[to] = true
	there := w.fleet.list
	w.fleet.list = slices.DeleteFunc(slices.Clone(there), func(s control.MediaServer) bool { return s.ID != to })
	err := w.service[0].Rebuild(w.ctx, request(session.RebuildID(sid, 2)), message.Rebuild{
		Epoch: 2, Pipeline: w.session().Pipeline.ID, Reason: session.ReasonServerDown,
	})
	wantCode(t, err, control.CodeUnavailable) // there is no place
	w.fleet.list = there
	w.end()
	if pipelines, _ := w.on(from); pipelines != 1 || w.session().Relocation == nil {
		t.Errorf("%d pipelines where it was, move %+v", pipelines, w.session().Relocation)
	}
	if told := distinct(w.told("b")); slices.Contains(told, "disconnected") {
		t.Errorf("told %v", told)
	}

	must(t, w.store.MediaServers.SetStatus(w.ctx, to, "i", control.StatusUp))
	w.fleet.down[to] = false
	w.relocate()
	if pipelines, _ := w.on(from); pipelines != 0 || w.session().Relocation != nil {
		t.Errorf("%d pipelines where it was, move %+v", pipelines, w.session().Relocation)
	}
}
