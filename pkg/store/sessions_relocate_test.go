package store_test

import (
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
)

// pipelineOn is a pipeline of the instance i of a server.
func pipelineOn(server control.MediaServerID) control.PipelineRef {
	return control.PipelineRef{ID: "p-" + string(server), Server: server, Instance: "i"}
}

func TestSessions_ARelocationIsOneAtATime(t *testing.T) {
	s := open(t)
	ctx := t.Context()
	insert(t, s, "s")
	must(t, s.Sessions.AddUser(ctx, "s", user("a", "j"), 0))
	must(t, s.Sessions.SetPipeline(ctx, "s", 0, pipelineOn("m1"), nil))
	must(t, s.Sessions.AddConnection(ctx, "s", control.Connection{
		ID: "publish/a", User: "a", Join: "j", Kind: control.Publish, Epoch: 1, Endpoint: control.EndpointRef{ID: "e1"},
	}))
	move := control.Relocation{From: pipelineOn("m1"), Epoch: 1, Since: now, Until: now.Add(time.Minute)}
	other := move
	other.From = pipelineOn("m3")
	mustGuard(t, s.Sessions.BeginRelocation(ctx, "s", other, pipelineOn("m2")))
	must(t, s.Sessions.BeginRelocation(ctx, "s", move, pipelineOn("m2")))
	mustGuard(t, s.Sessions.BeginRelocation(ctx, "s", move, pipelineOn("m3")))
	again := control.Relocation{From: pipelineOn("m2"), Epoch: 2, Since: now, Until: now.Add(time.Minute)}
	mustGuard(t, s.Sessions.BeginRelocation(ctx, "s", again, pipelineOn("m3")))

	must(t, s.Sessions.AddConnection(ctx, "s", control.Connection{
		ID: "publish/a", User: "a", Join: "j", Kind: control.Publish, Epoch: 2, Endpoint: control.EndpointRef{ID: "e2"},
	}))
	sess := session(t, s, "s")
	if len(sess.Connections) != 2 || sess.Connections[0].Endpoint.Pipeline != pipelineOn("m1") ||
		sess.Connections[1].Endpoint.Pipeline != pipelineOn("m2") {
		t.Errorf("in the middle of it the connections are %+v", sess.Connections)
	}
	for _, server := range []control.MediaServerID{"m1", "m2"} {
		if n, err := s.Sessions.CountOnServer(ctx, server); err != nil || n != 1 {
			t.Errorf("%d sessions on %s, %v", n, server, err)
		}
	}

	mustGuard(t, s.Sessions.EndRelocation(ctx, "s", 2, nil))
	anew := session(t, s, "s").Connections[1]
	must(t, s.Sessions.SetConnectionState(ctx, "s", anew, control.ConnectionConnected, 1, now))
	mustGuard(t, s.Sessions.EndRelocation(ctx, "s", 1, []control.UserID{"a"})) // it has media again
	must(t, s.Sessions.SetConnectionState(ctx, "s", anew, control.ConnectionDisconnected, 2, now))
	must(t, s.Sessions.EndRelocation(ctx, "s", 1, []control.UserID{"a"}))
	mustGuard(t, s.Sessions.EndRelocation(ctx, "s", 1, nil))
	sess = session(t, s, "s")
	if sess.Relocation != nil || len(sess.Connections) != 1 || sess.Connections[0].Endpoint.ID != "e2" ||
		sess.User("a").State != control.UserReconnecting {
		t.Errorf("after it %+v", sess)
	}
	if n, err := s.Sessions.CountOnServer(ctx, "m1"); err != nil || n != 0 {
		t.Errorf("%d sessions are left on m1, %v", n, err)
	}
	must(t, s.Sessions.BeginRelocation(ctx, "s", again, pipelineOn("m3")))
}

func TestSessions_ALostPipelineEndsTheRelocationToIt(t *testing.T) {
	s := open(t)
	ctx := t.Context()
	insert(t, s, "s")
	must(t, s.Sessions.SetPipeline(ctx, "s", 0, pipelineOn("m1"), nil))
	move := control.Relocation{From: pipelineOn("m1"), Epoch: 1, Since: now, Until: now.Add(time.Minute)}
	must(t, s.Sessions.BeginRelocation(ctx, "s", move, pipelineOn("m2")))
	must(t, s.Sessions.SetPipeline(ctx, "s", 2, pipelineOn("m3"), nil))
	if sess := session(t, s, "s"); sess.Relocation != nil || sess.Epoch != 3 {
		t.Errorf("epoch %d, %+v", sess.Epoch, sess.Relocation)
	}
}

// A relocation only ever ends sooner than was said, and the oldest are listed first.
func TestSessions_DueRelocations(t *testing.T) {
	s := open(t)
	ctx := t.Context()
	for i, id := range []control.SessionID{"late", "early", "not yet"} {
		insert(t, s, id)
		must(t, s.Sessions.SetPipeline(ctx, id, 0, pipelineOn("m1"), nil))
		until := now.Add([]time.Duration{time.Minute, time.Second, time.Hour}[i])
		move := control.Relocation{From: pipelineOn("m1"), Epoch: 1, Since: now, Until: until}
		must(t, s.Sessions.BeginRelocation(ctx, id, move, pipelineOn("m2")))
	}
	mustGuard(t, s.Sessions.HastenRelocation(ctx, "late", 1, now.Add(2*time.Minute)))
	mustGuard(t, s.Sessions.HastenRelocation(ctx, "late", 2, now))
	must(t, s.Sessions.HastenRelocation(ctx, "late", 1, now.Add(30*time.Second)))
	due, err := s.Sessions.DueRelocations(ctx, now.Add(45*time.Second), 10)
	must(t, err)
	if len(due) != 2 || due[0].ID != "early" || due[1].ID != "late" || due[0].Relocation.From != pipelineOn("m1") {
		t.Errorf("due are %+v", due)
	}
	if due, err := s.Sessions.DueRelocations(ctx, now.Add(45*time.Second), 1); err != nil || len(due) != 1 {
		t.Errorf("%d are due, %v", len(due), err)
	}
}
