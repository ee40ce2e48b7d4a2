package session_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// movable is a call of a, who publishes, and b, who watches, both connected.
func movable(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.create(0)
	a := w.join("a")
	w.join("b")
	w.publishIn(a, 1)
	w.connect(1, "a", control.Publish)
	w.connect(1, "b", control.Subscribe)
	w.told("b")
	return w
}

func (w *world) publishIn(p message.Presence, epoch int64) {
	w.tb.Helper()
	_, err := w.service[0].Publish(w.ctx, request(fmt.Sprint("publish ", p.User, epoch)), message.Publish{
		Presence: p, Epoch: epoch, Seq: 1, SDP: "offer cam:audio,video",
	})
	must(w.tb, err)
}

// connect has the media server say that a connection is connected.
func (w *world) connect(epoch int64, user control.UserID, kind control.ConnectionKind) {
	w.tb.Helper()
	w.change(epoch, user, kind, 1, control.ConnectionConnected)
}

func (w *world) change(
	epoch int64, user control.UserID, kind control.ConnectionKind, number int64, state control.ConnectionState,
) {
	w.tb.Helper()
	sess := w.session()
	c := w.connection(epoch, user, kind)
	must(w.tb, w.service[0].MediaState(w.ctx, request(control.NewID()), message.MediaState{
		EndpointEvent: message.EndpointEvent{
			Presence: message.Presence{User: user, Join: c.Join}, Kind: kind, Epoch: epoch,
			Pipeline: sess.PipelineIn(epoch).ID, Endpoint: c.Endpoint.ID,
		},
		Number: number, State: state,
	}))
}

func (w *world) connection(epoch int64, user control.UserID, kind control.ConnectionKind) control.Connection {
	w.tb.Helper()
	connections := w.session().Connections
	i := slices.IndexFunc(connections, func(c control.Connection) bool {
		return c.Epoch == epoch && c.User == user && c.Kind == kind
	})
	if i < 0 {
		w.tb.Fatalf("%s has no %s connection in epoch %d: %+v", user, kind, epoch, connections)
	}
	return connections[i]
}

// relocate asks for the move of the session's first pipeline, or for what is left of it.
func (w *world) relocate() {
	w.tb.Helper()
	must(w.tb, w.service[0].Relocate(w.ctx, request(session.RelocateID(sid, 1)), w.moveOff()))
}

func (w *world) moveOff() message.Relocate {
	w.tb.Helper()
	sess := w.session()
	from := sess.Pipeline
	if sess.Relocation != nil {
		from = &sess.Relocation.From
	}
	return message.Relocate{Epoch: 1, Pipeline: from.ID, Reason: "drain"}
}

// on is what a media server has: pipelines and endpoints.
func (w *world) on(server control.MediaServerID) (pipelines, endpoints int) {
	return w.fleet.byID[server].counts()
}

func TestRelocate_KeepsTheOldPipelineUntilEverybodyIsConnected(t *testing.T) {
	w := movable(t)
	from := *w.session().Pipeline
	must(t, w.twice(func(s *session.Service) error {
		return s.Relocate(w.ctx, request(session.RelocateID(sid, 1)), message.Relocate{Epoch: 1, Pipeline: from.ID})
	}))
	sess := w.session()
	move := sess.Relocation
	if sess.Epoch != 2 || sess.Pipeline.Server == from.Server || move == nil || move.From != from || move.Epoch != 1 {
		t.Fatalf("epoch %d on %+v, moved %+v", sess.Epoch, sess.Pipeline, move)
	}
	for _, user := range sess.Users {
		if user.State != control.UserJoined {
			t.Errorf("%s is %s while its media goes on", user.ID, user.State)
		}
	}
	told := w.told("b")
	if got, want := distinct(told), []string{"reconnect"}; !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
	epoch := data[message.EpochData](t, told, "reconnect")
	if epoch != (message.EpochData{Epoch: 2, Reason: "relocating"}) {
		t.Errorf("told %+v", epoch)
	}

	slow := func() bool { return time.Until(w.session().Relocation.Until) > 5*time.Second }
	w.publishIn(message.Presence{User: "a", Join: "join-a"}, 2)
	w.connect(2, "b", control.Subscribe)
	if !slow() {
		t.Error("it does not wait for the publisher")
	}
	w.connect(2, "a", control.Publish)
	if slow() {
		t.Error("everybody is connected, and it waits")
	}
	w.relocate() // it is not over yet: there may be no packet of the new pipeline
	if pipelines, _ := w.on(from.Server); pipelines != 1 {
		t.Errorf("%d pipelines where it was", pipelines)
	}
	w.told("b")

	w.end()
	if pipelines, endpoints := w.on(from.Server); pipelines+endpoints != 0 {
		t.Errorf("%d pipelines and %d endpoints are left where it was", pipelines, endpoints)
	}
	gone := data[message.EpochData](t, w.told("b"), "disconnected")
	if gone != (message.EpochData{Epoch: 1, Reason: "relocating"}) {
		t.Errorf("told %+v", gone)
	}
	sess = w.session()
	old := func(c control.Connection) bool { return c.Epoch == 1 }
	if sess.Relocation != nil || slices.ContainsFunc(sess.Connections, old) || sess.User("a").State != control.UserJoined {
		t.Errorf("left of the move: %+v, %+v", sess.Relocation, sess.Connections)
	}
	w.relocate() // asked again, by whoever has not seen it
	if w.session().Epoch != 2 {
		t.Error("moved twice by one request")
	}
}

// end has the time of a move be up.
func (w *world) end() {
	w.tb.Helper()
	must(w.tb, w.store.Sessions.HastenRelocation(w.ctx, sid, 1, time.Now().Add(-time.Second)))
	w.relocate()
}

// Who is not connected when the time is up has lost its media, and has its grace time to come back.
func TestRelocate_EndsWithoutThoseWhoAreSlow(t *testing.T) {
	w := movable(t)
	w.relocate()
	long := time.Now().Add(-time.Hour)
	must(t, w.store.Presence.Remove(w.ctx, sid, "a", time.Now()))
	must(t, w.store.Presence.Begin(w.ctx, sid, "a", long))
	w.end()
	sess := w.session()
	if sess.Relocation != nil || sess.User("a").State != control.UserReconnecting || len(sess.User("a").Streams) != 1 {
		t.Errorf("%+v is left, and of the slow %+v", sess.Relocation, sess.User("a"))
	}
	presence, err := w.store.Presence.Get(w.ctx, sid, "a")
	must(t, err)
	if !presence.SeenAt.After(long) {
		t.Error("its grace time began before it lost its media")
	}
}

// A client of WHIP is told nothing, so nobody waits for it; nor for those who watch nobody else.
func TestRelocate_DoesNotWaitForWhoCannotBeTold(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	_, err := w.service[0].Join(w.ctx, request("join-a"), message.Join{
		User: "a", Protocol: control.ProtocolWHIP, Permissions: control.Permissions{Publish: true},
	})
	must(t, err)
	w.join("b")
	w.publishIn(message.Presence{User: "a", Join: "join-a"}, 1)
	w.connect(1, "a", control.Publish)
	w.connect(1, "b", control.Subscribe)
	w.relocate()
	if time.Until(w.session().Relocation.Until) > 5*time.Second {
		t.Error("it waits for the client of WHIP")
	}
	w.end()
	if sess := w.session(); sess.User("a").State != control.UserReconnecting {
		t.Errorf("the client of WHIP has lost its media and is %s", sess.User("a").State)
	}
}

// What a user stops in the middle of a move stops in both pipelines.
func TestRelocate_WhatEndsMeanwhileEndsInBothPipelines(t *testing.T) {
	for name, stop := range map[string]func(w *world, p message.Presence) error{
		"leave": func(w *world, p message.Presence) error {
			return w.service[0].Leave(w.ctx, request("leave"), message.Leave{Presence: p, Reason: "left"})
		},
		"unpublish": func(w *world, p message.Presence) error {
			return w.service[0].Unpublish(w.ctx, request("stop"), message.Unpublish{Presence: p, Epoch: 1, UpTo: 1})
		},
		"rejoin": func(w *world, p message.Presence) error {
			_, err := w.service[0].Join(w.ctx, request("join-a2"), message.Join{User: "a", Replaces: p.Join, Permissions: all()})
			return err
		},
		"close": func(w *world, _ message.Presence) error {
			return w.service[0].Close(w.ctx, request("close"), message.CloseSession{Reason: "deleted"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := movable(t)
			from := w.session().Pipeline.Server
			w.relocate()
			must(t, stop(w, message.Presence{User: "a", Join: "join-a"}))
			for key, e := range w.endpointsOn(from) {
				if e.key == "publish/a/join-a" {
					t.Errorf("%s goes on where the session was", key)
				}
			}
			if name == "close" {
				if pipelines, _ := w.on(from); pipelines != 0 || w.session().Relocation != nil {
					t.Errorf("%d pipelines are left where it was, and %+v", pipelines, w.session().Relocation)
				}
				return
			}
			for _, user := range w.session().Users {
				if user.ID == "a" && len(user.Streams) != 0 {
					t.Errorf("%s still publishes %+v", user.ID, user.Streams)
				}
			}
		})
	}
}

func (w *world) endpointsOn(server control.MediaServerID) map[string]*endpoint {
	m := w.fleet.byID[server]
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.endpoints)
}

func TestRelocate_APauseMeanwhileIsOneInBothPipelines(t *testing.T) {
	w := movable(t)
	from := w.session().Pipeline.Server
	w.relocate()
	p := message.Presence{User: "a", Join: "join-a"}
	w.publishIn(p, 2)
	stream := control.StreamIDFor("a", "cam")
	must(t, w.service[0].PauseStream(w.ctx, request("r1"), message.PauseStream{
		Presence: p, Stream: stream, Paused: true,
	}))
	for _, server := range []control.MediaServerID{from, w.session().Pipeline.Server} {
		for _, e := range w.endpointsOn(server) {
			if e.key == "publish/a/join-a" && len(e.paused[stream]) != 2 {
				t.Errorf("only %v is paused on %s", e.paused[stream], server)
			}
		}
	}
}

// What the pipeline before says changes nothing any more; what is published again in the new one is the same stream.
func TestRelocate_IsNotDisturbedByTheOldPipeline(t *testing.T) {
	w := movable(t)
	w.relocate()
	before := w.session().User("a").Streams
	w.change(1, "a", control.Publish, 2, control.ConnectionFailed)
	w.change(1, "a", control.Publish, 3, control.ConnectionClosed)
	w.publishIn(message.Presence{User: "a", Join: "join-a"}, 2)
	user := w.session().User("a")
	if user.State != control.UserJoined || user.Failures != 0 || len(user.Streams) != 1 || user.Streams[0].ID != before[0].ID {
		t.Errorf("became %+v", user)
	}
	if got, want := distinct(w.told("b")), []string{"reconnect"}; !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
}

// A request of the epoch before is on its way while the session begins to move. Its user is not told to break off what it
// has: it hears what everybody hears, perhaps sooner.
func TestRelocate_ALateRequestIsToldOfTheMove(t *testing.T) {
	w := movable(t)
	w.relocate()
	err := w.service[0].SubscribeAnswer(w.ctx, request(control.NewID()), message.SubscribeAnswer{
		Presence: message.Presence{User: "b", Join: "join-b"}, Epoch: 1, Seq: 1, SDP: "answer",
	})
	wantCode(t, err, control.CodeStaleEpoch)
	told := w.told("b")
	if len(told) != 2 || told[0].ID != told[1].ID || string(told[0].Data) != string(told[1].Data) {
		t.Errorf("told %+v", told)
	}
}

// A session that no other server takes stays where it is, and moves when one does.
func TestRelocate_WithoutAPlaceChangesNothing(t *testing.T) {
	w := movable(t)
	other := slices.DeleteFunc(w.fleet.Servers(), func(s control.MediaServer) bool {
		return s.ID == w.session().Pipeline.Server
	})
	there := w.fleet.list
	w.fleet.list = slices.DeleteFunc(w.fleet.Servers(), func(s control.MediaServer) bool { return s.ID == other[0].ID })
	w.relocate()
	if sess := w.session(); sess.Epoch != 1 || sess.Relocation != nil || len(w.told("b")) != 0 {
		t.Fatalf("epoch %d, %+v", sess.Epoch, sess.Relocation)
	}
	w.fleet.list = there
	w.relocate()
	if sess := w.session(); sess.Epoch != 2 || sess.Pipeline.Server != other[0].ID {
		t.Errorf("epoch %d on %s", sess.Epoch, sess.Pipeline.Server)
	}
}

// A server that is lost while a session moves to it: the session is rebuilt, and nothing of either pipeline is left.
func TestRelocate_TheNewServerIsLostMeanwhile(t *testing.T) {
	w := movable(t)
	w.relocate()
	lost := *w.session().Pipeline
	w.fleet.down[lost.Server] = true
	must(t, w.store.MediaServers.SetStatus(w.ctx, lost.Server, "i", control.StatusDown))
	must(t, w.service[0].Rebuild(w.ctx, request(session.RebuildID(sid, 2)), message.Rebuild{
		Epoch: 2, Pipeline: lost.ID, Reason: session.ReasonServerDown,
	}))
	sess := w.session()
	if sess.Epoch != 3 || sess.Relocation != nil || sess.User("a").State != control.UserReconnecting {
		t.Errorf("epoch %d, %+v, %s", sess.Epoch, sess.Relocation, sess.User("a").State)
	}
	if pipelines, _ := w.on(sess.Pipeline.Server); pipelines != 1 {
		t.Errorf("%d pipelines where it was and is again", pipelines)
	}
	w.relocate() // asked again, for what is over
	if got, want := distinct(w.told("b")), []string{"reconnect", "disconnected", "reconnect"}; !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
}

// A user stops publishing just when its session gets a new pipeline: it publishes nothing, and may again.
func TestUnpublish_AroundANewEpoch(t *testing.T) {
	for name, b := range map[string]message.Unpublish{
		"accepted before": {Epoch: 1, UpTo: 1},
		"accepted after":  {Epoch: 2, UpTo: 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := movable(t)
			w.relocate()
			p := message.Presence{User: "a", Join: "join-a"}
			b.Presence = p
			must(t, w.twice(func(s *session.Service) error { return s.Unpublish(w.ctx, request("stop"), b) }))
			if streams := w.session().User("a").Streams; len(streams) != 0 {
				t.Fatalf("still publishes %+v", streams)
			}
			w.publishIn(p, 2)
			if streams := w.session().User("a").Streams; len(streams) != 1 {
				t.Errorf("publishes %+v", streams)
			}
		})
	}
}

// Somebody connects just when the time is up: it has media, whatever whoever ends the move has read before.
func TestRelocate_EndsWhileSomebodyConnects(t *testing.T) {
	w := movable(t)
	w.relocate()
	w.publishIn(message.Presence{User: "a", Join: "join-a"}, 2)
	must(t, w.store.Sessions.HastenRelocation(w.ctx, sid, 1, time.Now().Add(-time.Second)))
	b := w.moveOff()
	ending := begin(w, func(ctx context.Context, s *session.Service) error {
		return s.Relocate(ctx, request(session.RelocateID(sid, 1)), b)
	})
	w.connect(2, "a", control.Publish)
	for !ending.done {
		ending.advance()
	}
	must(t, ending.err)
	if sess := w.session(); sess.Relocation != nil || sess.User("a").State != control.UserJoined {
		t.Errorf("%+v is left, and a is %s", sess.Relocation, sess.User("a").State)
	}
}
