package session_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// until lets the handler run up to a call of that name.
func (p *stepping) until(t *testing.T, at string) {
	t.Helper()
	for p.at != at || p.done {
		if p.done {
			t.Fatalf("it ended before %q: %v", at, p.err)
		}
		p.advance()
	}
}

func (p *stepping) finish() {
	for !p.done {
		p.advance()
	}
}

func offering(a message.Presence, epoch, seq int64, sdp string) func(context.Context, *session.Service) error {
	return func(ctx context.Context, s *session.Service) error {
		_, err := s.Publish(ctx, request(fmt.Sprintf("p%d.%d", epoch, seq)), message.Publish{
			Presence: a, Epoch: epoch, Seq: seq, SDP: sdp,
		})
		return err
	}
}

// move begins to move the session off its server.
func (w *world) move(t *testing.T) {
	t.Helper()
	sess := w.session()
	must(t, w.service[0].Relocate(w.ctx, request("move"), message.Relocate{Epoch: sess.Epoch, Pipeline: sess.Pipeline.ID}))
}

// seen is what a user believes of the streams of others: the state of each that it has heard of and that is not gone.
func (w *world) seen(user control.UserID) map[control.StreamID]control.StreamState {
	streams := map[control.StreamID]control.StreamState{}
	known := map[string]bool{}
	for _, m := range w.told(user) {
		var data message.StreamData
		if known[m.ID] || json.Unmarshal(m.Data, &data) != nil {
			continue
		}
		known[m.ID] = true
		switch m.Type {
		case message.UserTypeStreamAdded, message.UserTypeStreamUpdated:
			streams[data.Stream.ID] = data.Stream.State
		case message.UserTypeStreamRemoved:
			delete(streams, data.Stream.ID)
		}
	}
	return streams
}

// An offer is about to tell everybody of a stream, or how it is now, when a pause of it is handled and told.
func TestPublish_PausedBeforeItIsTold(t *testing.T) {
	for what, offers := range map[string][]string{
		"broadcast stream-added":   {"offer cam:audio"},
		"broadcast stream-updated": {"offer cam:audio,video", "offer cam:audio"},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			w.create(0)
			a := w.join("a")
			w.join("watcher")
			last := len(offers) - 1
			for i, sdp := range offers[:last] {
				must(t, offering(a, 1, int64(i+1), sdp)(w.ctx, w.service[0]))
			}
			offer := begin(w, offering(a, 1, int64(last+1), offers[last]))
			offer.until(t, what)
			cam := w.session().User("a").Streams[0].ID
			pause := message.PauseStream{Presence: a, Stream: cam, Paused: true}
			must(t, w.service[0].PauseStream(w.ctx, request("pause"), pause))
			offer.finish()
			must(t, offer.err)
			if got := w.seen("watcher")[cam]; got != control.StreamPaused {
				t.Errorf("the watcher believes it is %q", got)
			}
		})
	}
}

// An offer drops two streams, and the session is moved when everybody was told of the first: the next offer, which has
// all of them, tells of all.
func TestPublish_EpochEndsWhileStreamsAreDropped(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a := w.join("a")
	w.join("watcher")
	const all = "offer cam:audio screen:video third:video"
	must(t, offering(a, 1, 1, all)(w.ctx, w.service[0]))
	offer := begin(w, offering(a, 1, 2, "offer cam:audio"))
	offer.until(t, "broadcast stream-removed")
	offer.advance()
	w.move(t)
	offer.finish()
	if code := control.CodeOf(offer.err); code != control.CodeStaleEpoch {
		t.Fatalf("the offer: %v", offer.err)
	}
	must(t, offering(a, 2, 1, all)(w.ctx, w.service[0]))
	if got := w.seen("watcher"); len(got) != 3 {
		t.Errorf("the watcher knows %v", got)
	}
}

// A Wrapper dies when it is about to tell everybody of a stream, and the session is moved before the offer comes again.
func TestPublish_EpochEndsBeforeItIsTold(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a := w.join("a")
	w.join("watcher")
	offer := begin(w, offering(a, 1, 1, "offer cam:audio"))
	offer.until(t, "broadcast stream-added")
	offer.kill()
	w.move(t)
	if err := offering(a, 1, 1, "offer cam:audio")(w.ctx, w.service[0]); control.CodeOf(err) != control.CodeStaleEpoch {
		t.Fatalf("the offer: %v", err)
	}
	if got := w.seen("watcher"); len(got) != 1 {
		t.Errorf("the watcher knows %v", got)
	}
}

// A stop of an epoch that is over is telling that the streams are gone, when the user offers them again in the next.
func TestPublish_AgainInTheNextEpochWhileItIsStopped(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a := w.join("a")
	w.join("watcher")
	must(t, offering(a, 1, 1, "offer cam:audio")(w.ctx, w.service[0]))
	w.move(t)
	stop := begin(w, func(ctx context.Context, s *session.Service) error {
		return s.Unpublish(ctx, request("stop"), message.Unpublish{Presence: a, Epoch: 1, UpTo: 1})
	})
	stop.until(t, "broadcast stream-removed")
	must(t, offering(a, 2, 1, "offer cam:audio")(w.ctx, w.service[0]))
	stop.finish()
	must(t, stop.err)
	if got := w.seen("watcher"); len(got) != 1 || len(w.session().User("a").Streams) != 1 {
		t.Errorf("the watcher knows %v, stored are %v", got, w.session().User("a").Streams)
	}
}

func TestPublish_PausedKindDroppedAndOfferedAgain(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a := w.join("a")
	must(t, offering(a, 1, 1, "offer cam:audio,video")(w.ctx, w.service[0]))
	cam := w.session().User("a").Streams[0].ID
	must(t, w.service[0].PauseStream(w.ctx, request("p1.2-pause"), message.PauseStream{
		Presence: a, Stream: cam, Paused: true, Kinds: []string{"video"},
	}))
	if got := w.session().User("a").Streams[0].PausedKinds; len(got) != 1 {
		t.Fatalf("paused is %v", got)
	}
	must(t, offering(a, 1, 2, "offer cam:audio")(w.ctx, w.service[0]))
	must(t, offering(a, 1, 3, "offer cam:audio,video")(w.ctx, w.service[0]))
	conn := w.session().Connection("a", control.Publish)
	if got := w.fleet.byID[conn.Endpoint.Pipeline.Server].endpoints[conn.Endpoint.ID].paused[cam]; len(got) != 0 {
		t.Errorf("the endpoint pauses %v, stored is %+v", got, w.session().User("a").Streams)
	}
}

// A user leaves while its join is about to bind its queue: that the queue is gone is no matter of the others.
func TestJoin_QueueGoneWithItsUser(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	w.join("watcher")
	w.told("watcher")
	queue := message.UserQueue(sid, "b")
	join := begin(w, func(ctx context.Context, s *session.Service) error {
		_, err := s.Join(ctx, request("join-b"), message.Join{User: "b", Permissions: all()})
		return err
	})
	join.until(t, "bind "+queue.Name+" to "+message.SessionExchange(sid))
	must(t, w.service[0].Leave(w.ctx, request("leave"), message.Leave{
		Presence: message.Presence{User: "b", Join: "join-b"}, Reason: "left",
	}))
	join.finish()
	if join.err == nil {
		t.Error("it joined")
	}
	for _, m := range w.told("watcher") {
		if m.Type == message.UserTypeSync {
			t.Error("the watcher got a sync")
		}
	}
}

// A Wrapper has read what it is about to tell a user, when a stream goes: the user does not end up with the stream.
func TestSync_OvertakenBeforeItIsSent(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a := w.join("a")
	watcher := w.join("watcher")
	must(t, offering(a, 1, 1, "offer cam:audio")(w.ctx, w.service[0]))
	must(t, w.broker.DeleteQueue(w.ctx, message.UserQueue(sid, "watcher").Name))
	sync := begin(w, func(ctx context.Context, s *session.Service) error {
		return s.Sync(ctx, request("sync"), watcher)
	})
	sync.until(t, "bind "+message.UserQueue(sid, "watcher").Name+" to "+message.SessionExchange(sid))
	must(t, offering(a, 1, 2, "offer cam:audio screen:video")(w.ctx, w.service[0]))
	sync.until(t, "send sync to "+message.UserQueue(sid, "watcher").Name)
	must(t, w.service[0].Unpublish(w.ctx, request("stop"), message.Unpublish{Presence: a, Epoch: 1, UpTo: 2}))
	sync.finish()
	must(t, sync.err)
	messages := w.told("watcher")
	var last message.SyncData
	for _, m := range messages {
		if m.Type == message.UserTypeSync {
			must(t, json.Unmarshal(m.Data, &last))
		}
	}
	if kind := messages[len(messages)-1].Type; kind != message.UserTypeSync || streamsOf(last.Users) != 0 {
		t.Errorf("the last message is %s, the last sync has %d streams", kind, streamsOf(last.Users))
	}
}

func streamsOf(users []message.User) int {
	n := 0
	for _, user := range users {
		n += len(user.Streams)
	}
	return n
}
