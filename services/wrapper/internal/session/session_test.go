package session_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

func wantTypes(tb testing.TB, list []message.UserMessage, types ...string) {
	tb.Helper()
	if diff := cmp.Diff(types, distinct(list)); diff != "" {
		tb.Fatalf("messages (-want +got):\n%s", diff)
	}
}

func withoutSyncs(list []message.UserMessage) []message.UserMessage {
	return slices.DeleteFunc(list, func(m message.UserMessage) bool { return m.Type == message.UserTypeSync })
}

func wantCode(tb testing.TB, err error, code control.Code) {
	tb.Helper()
	if control.CodeOf(err) != code {
		tb.Fatalf("got %v, want %s", err, code)
	}
}

func TestCreate_OnceForEveryDelivery(t *testing.T) {
	w := newWorld(t)
	must(t, w.twice(func(s *session.Service) error {
		_, err := s.Create(w.ctx, request("r1"), message.CreateSession{ID: sid, MaxUsers: 3})
		return err
	}))
	_, err := w.service[0].Create(w.ctx, request("r2"), message.CreateSession{ID: sid})
	wantCode(t, err, control.CodeConflict)
	if got := w.session(); got.CreatedBy != "r1" || got.MaxUsers != 3 || got.EmptySince == nil {
		t.Fatalf("got %+v", got)
	}
}

func TestJoin_TellsTheUserFirst(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	w.join("a")
	wantTypes(t, w.told("a"), "joined", "user-joined")
	must(t, w.twice(func(s *session.Service) error {
		joined, err := s.Join(w.ctx, request("join-b"), message.Join{User: "b", Permissions: all()})
		if err == nil && (joined.Epoch != 1 || joined.Rejoined || joined.User.Join != "join-b") {
			return fmt.Errorf("got %+v", joined)
		}
		return err
	}))
	list := withoutSyncs(w.told("b")) // a repeated delivery adds one
	wantTypes(t, list, "joined", "user-joined")
	if got := data[message.JoinedData](t, list, "joined"); len(got.Users) != 2 || got.Epoch != 1 {
		t.Fatalf("got %+v", got)
	}
	wantTypes(t, w.told("a"), "user-joined")
	sess := w.session()
	if len(sess.Connections) != 2 {
		t.Fatalf("got %d connections, want a subscribe connection each", len(sess.Connections))
	}
}

func TestJoin_LastSeat(t *testing.T) {
	w := newWorld(t)
	w.create(2)
	w.join("a")
	var group sync.WaitGroup
	results := make([]error, 6)
	for i := range results {
		group.Go(func() {
			user := control.UserID(fmt.Sprintf("u%d", i))
			_, results[i] = w.service[i%2].Join(w.ctx, request("j"+string(user)), message.Join{User: user})
		})
	}
	group.Wait()
	in := 0
	for _, err := range results {
		if err == nil {
			in++
		} else {
			wantCode(t, err, control.CodeConflict)
		}
	}
	if in != 1 || len(w.session().Users) != 2 {
		t.Fatalf("%d got the last seat", in)
	}
}

func TestJoin_RaceForTheFirstPipeline(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	const users = 8
	var group sync.WaitGroup
	for i := range users {
		group.Go(func() {
			user := control.UserID(fmt.Sprintf("u%d", i))
			err := retried(func() error {
				_, err := w.service[i%2].Join(w.ctx, request("j"+string(user)), message.Join{User: user, Permissions: all()})
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	sess := w.session()
	if sess.Epoch != 1 || len(sess.Users) != users || len(sess.Connections) != users {
		t.Fatalf("got epoch %d, %d users, %d connections", sess.Epoch, len(sess.Users), len(sess.Connections))
	}
	pipelines, placed := 0, int64(0)
	for id, m := range w.fleet.byID {
		p, _ := m.counts()
		pipelines += p
		server, err := w.store.MediaServers.Get(w.ctx, id)
		must(t, err)
		placed += server.Placed
	}
	if pipelines != 1 {
		t.Fatalf("%d pipelines are left", pipelines)
	}
}

func TestJoin_NoCapacityStoresNothing(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	w.fleet.down["m1"], w.fleet.down["m2"] = true, true
	_, err := w.service[0].Join(w.ctx, request("j"), message.Join{User: "a"})
	wantCode(t, err, control.CodeNoCapacity)
	var coded *control.Error
	if !errors.As(err, &coded) || coded.RetryAfter <= 0 {
		t.Fatalf("got %+v", coded)
	}
	if sess := w.session(); len(sess.Users) != 0 || sess.Epoch != 0 {
		t.Fatalf("got %+v", sess)
	}
}

func TestRejoin_EndsTheOldAndKeepsThePlace(t *testing.T) {
	w := newWorld(t)
	w.create(1)
	a := w.join("a")
	w.publish(a, 1, "offer cam:audio,video")
	w.told("a")
	must(t, w.twice(func(s *session.Service) error {
		_, err := s.Join(w.ctx, request("join-a2"), message.Join{
			User: "a", Replaces: a.Join, KeepProfile: true,
		})
		return err
	}))
	list := withoutSyncs(w.told("a")) // a repeated delivery adds one
	wantTypes(t, list, "stream-removed", "joined")
	sess := w.session()
	if u := sess.Users[0]; u.Join != "join-a2" || len(u.Streams) != 0 || !u.Permissions.Publish {
		t.Fatalf("got %+v", u)
	}
	for _, c := range sess.Connections {
		if c.Join != "join-a2" {
			t.Errorf("connection %+v is of the old join", c)
		}
	}
	if _, endpoints := w.fleet.byID[sess.Pipeline.Server].counts(); endpoints != 1 {
		t.Errorf("%d endpoints, want one", endpoints)
	}
	_, err := w.service[0].Join(w.ctx, request("join-a3"), message.Join{User: "a", Replaces: a.Join})
	wantCode(t, err, control.CodeConflict)
	_, err = w.service[0].Publish(w.ctx, request("late"), message.Publish{Presence: a, Epoch: 1, Seq: 2, SDP: "offer"})
	wantCode(t, err, control.CodeConflict)
}

func (w *world) publish(p message.Presence, seq int64, sdp string) *message.Answered {
	w.tb.Helper()
	answered, err := w.service[0].Publish(w.ctx, request(fmt.Sprintf("publish-%s-%d", p.User, seq)),
		message.Publish{Presence: p, Epoch: w.session().Epoch, Seq: seq, SDP: sdp})
	must(w.tb, err)
	return answered
}

func TestPublish_EveryDeliverySameMessages(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a, _ := w.join("a"), w.join("b")
	w.told("a")
	w.told("b")
	offer := message.Publish{Presence: a, Epoch: 1, Seq: 1, SDP: "offer cam:audio,video screen:video"}
	must(t, w.twice(func(s *session.Service) error {
		answered, err := s.Publish(w.ctx, request("p1"), offer)
		if err == nil && !strings.HasPrefix(answered.SDP, "answer 1 by ") {
			return fmt.Errorf("got answer %q", answered.SDP)
		}
		return err
	}))
	wantTypes(t, w.told("a"), "answer", "stream-added", "stream-added")
	wantTypes(t, w.told("b"), "stream-added", "stream-added")

	// The client sends the same seq again under another request, after a lost response.
	_, err := w.service[1].Publish(w.ctx, request("p1-again"), offer)
	must(t, err)
	wantTypes(t, w.told("b"), "stream-added", "stream-added")
	w.told("a")

	// A renegotiation drops one stream, changes another and adds a third.
	offer.Seq, offer.SDP = 2, "offer cam:audio third:audio"
	must(t, w.twice(func(s *session.Service) error {
		_, err := s.Publish(w.ctx, request("p2"), offer)
		return err
	}))
	wantTypes(t, w.told("b"), "stream-removed", "stream-updated", "stream-added")
	streams := w.session().User("a").Streams
	if len(streams) != 2 || cmp.Diff(streams[0].Kinds, []string{"audio"}) != "" {
		t.Fatalf("got %+v", streams)
	}
}

func TestPublish_WaitsForTheOfferBefore(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a := w.join("a")
	second := message.Publish{Presence: a, Epoch: 1, Seq: 2, SDP: "offer cam:audio"}
	_, err := w.service[0].Publish(w.ctx, request("p2"), second)
	wantCode(t, err, control.CodeUnavailable)
	w.publish(a, 1, "offer cam:audio")
	_, err = w.service[0].Publish(w.ctx, request("p2"), second)
	must(t, err)
}

func TestPublish_ARefusedOfferCounts(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a := w.join("a")
	w.told("a")
	bad := message.Publish{Presence: a, Epoch: 1, Seq: 1, SDP: "bad"}
	wantCode(t, w.twice(func(s *session.Service) error {
		_, err := s.Publish(w.ctx, request("p1"), bad)
		return err
	}), control.CodeInvalid)
	list := w.told("a")
	wantTypes(t, list, "error")
	if got := data[message.ErrorData](t, list, "error"); got.Code != control.CodeInvalid || got.Request != "p1" {
		t.Fatalf("got %+v", got)
	}
	w.publish(a, 2, "offer cam:audio")
}

func TestPublish_AStaleEpochBringsReconnect(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a := w.join("a")
	w.told("a")
	_, err := w.service[0].Publish(w.ctx, request("p1"), message.Publish{Presence: a, Epoch: 0, Seq: 1, SDP: "offer"})
	wantCode(t, err, control.CodeStaleEpoch)
	list := w.told("a")
	if got := data[message.EpochData](t, list, "reconnect"); got.Epoch != 1 || got.Reason != "stale-epoch" {
		t.Fatalf("got %+v", got)
	}
}

func TestUnpublish_InAnyOrderWithTheOffer(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a, _ := w.join("a"), w.join("b")
	w.publish(a, 1, "offer cam:audio")
	w.told("b")
	must(t, w.twice(func(s *session.Service) error {
		return s.Unpublish(w.ctx, request("u"), message.Unpublish{Presence: a, UpTo: 1})
	}))
	wantTypes(t, w.told("b"), "stream-removed")
	if u := w.session().User("a"); len(u.Streams) != 0 {
		t.Fatalf("got %+v", u.Streams)
	}
	// A second unpublish overtakes the offer that it is about.
	must(t, w.service[0].Unpublish(w.ctx, request("u2"), message.Unpublish{Presence: a, UpTo: 2}))
	_, err := w.service[0].Publish(w.ctx, request("p2"), message.Publish{Presence: a, Epoch: 1, Seq: 2, SDP: "offer x:audio"})
	wantCode(t, err, control.CodeConflict)
	w.told("b")
	w.publish(a, 3, "offer cam:audio")
	// A stream of the same id is there again: its message is a new one.
	wantTypes(t, w.told("b"), "stream-added")
	must(t, w.service[0].Unpublish(w.ctx, request("u2"), message.Unpublish{Presence: a, UpTo: 2}))
	if u := w.session().User("a"); len(u.Streams) != 1 {
		t.Fatal("a late delivery of the unpublish before stopped the new offer")
	}
}

func TestLeave_TellsEverybodyOnce(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a, _ := w.join("a"), w.join("b")
	w.publish(a, 1, "offer cam:audio")
	w.told("b")
	must(t, w.twice(func(s *session.Service) error {
		return s.Leave(w.ctx, request("l"), message.Leave{Presence: a, Reason: "left"})
	}))
	list := w.told("b")
	wantTypes(t, list, "stream-removed", "user-left")
	if got := data[message.UserLeftData](t, list, "user-left"); got.Reason != "left" || got.User.ID != "a" {
		t.Fatalf("got %+v", got)
	}
	sess := w.session()
	if _, endpoints := w.fleet.byID[sess.Pipeline.Server].counts(); endpoints != 1 || len(sess.Connections) != 1 {
		t.Fatalf("%d endpoints, %d connections, want b's only", endpoints, len(sess.Connections))
	}
	if _, err := w.broker.Inspect(w.ctx, message.UserQueue(sid, "a").Name); !errors.Is(err, broker.ErrNotFound) {
		t.Fatalf("the user's queue is there: %v", err)
	}
	must(t, w.service[0].Leave(w.ctx, request("l2"), message.Leave{
		Presence: message.Presence{User: "b", Join: "join-b"}, Reason: "removed",
	}))
	if w.session().EmptySince == nil {
		t.Fatal("the session does not say that it is empty")
	}
}

// A Wrapper died after the mark: the user is not there for anybody, and joining anew finishes the leaving.
func TestJoin_FinishesALeavingThatWasLeftHalfWay(t *testing.T) {
	w := newWorld(t)
	w.create(1)
	a := w.join("a")
	must(t, w.store.Sessions.MarkLeaving(w.ctx, sid, "a", a.Join, "left"))
	_, err := w.service[1].Join(w.ctx, request("join-a2"), message.Join{User: "a", Permissions: all()})
	must(t, err)
	wantTypes(t, w.told("a"), "joined", "user-joined")
	must(t, w.service[0].Leave(w.ctx, request("l"), message.Leave{Presence: a, Reason: "left"}))
	if len(w.session().Users) != 1 {
		t.Fatal("the old leave took the new presence out")
	}
}

func TestJoin_DeliveredAgainAfterTheUserLeftBringsNobodyBack(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a := w.join("a")
	must(t, w.service[0].Leave(w.ctx, request("l"), message.Leave{Presence: a, Reason: "left"}))
	_, err := w.service[1].Join(w.ctx, request(string(a.Join)), message.Join{User: "a", Permissions: all()})
	wantCode(t, err, control.CodeConflict)
	if sess := w.session(); len(sess.Users) != 0 {
		t.Fatalf("got %+v", sess.Users)
	}
	w.join("b") // somebody else, and the same user under another join, can come
	_, err = w.service[1].Join(w.ctx, request("again"), message.Join{User: "a", Permissions: all()})
	must(t, err)
}

// A rejoin takes over from a join that died before anybody was told.
func TestRejoin_TellsOfAJoinThatNobodyWasToldOf(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	b := w.join("b")
	w.told(b.User)
	join := func(s *session.Service, id string, replaces control.JoinID) error {
		_, err := s.Join(w.ctx, request(id), message.Join{User: "a", Replaces: replaces, Permissions: all()})
		return err
	}
	dying := newDying(w, 2) // at the third step the user is there, and has its own message
	if err := join(dying.service(), "j1", ""); err == nil || w.session().User("a") == nil {
		t.Fatalf("died too early or not at all: %v", err)
	}
	must(t, join(w.service[0], "j2", "j1"))
	must(t, join(w.service[0], "j3", "j2"))
	wantTypes(t, w.told(b.User), "user-joined")
}

func TestClose_EndsEverythingOnce(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	w.join("a")
	w.told("a")
	must(t, w.service[0].Close(w.ctx, request("c0"), message.CloseSession{Reason: session.ReasonEmpty}))
	if w.session().State != control.SessionActive {
		t.Fatal("a session with a user was closed as empty")
	}
	must(t, w.twice(func(s *session.Service) error {
		return s.Close(w.ctx, request("c"), message.CloseSession{Reason: "deleted"})
	}))
	wantTypes(t, w.told("a"), "session-closed")
	sess := w.session()
	if sess.State != control.SessionClosed || sess.ExpireAt == nil {
		t.Fatalf("got %+v", sess)
	}
	for id, m := range w.fleet.byID {
		if pipelines, endpoints := m.counts(); pipelines+endpoints != 0 {
			t.Errorf("%s still has media", id)
		}
	}
	if _, err := w.broker.Inspect(w.ctx, message.SessionQueue(sid).Name); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("the session's queue is there: %v", err)
	}
	_, err := w.service[0].Join(w.ctx, request("late"), message.Join{User: "b"})
	wantCode(t, err, control.CodeGone)
}

func TestPause_TheLaterRequestCounts(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a := w.join("a")
	w.publish(a, 1, "offer cam:audio,video")
	stream := w.session().User("a").Streams[0].ID
	w.told("a")
	must(t, w.service[0].PauseStream(w.ctx, request("q2"), message.PauseStream{
		Presence: a, Stream: stream, Paused: true, Kinds: []string{"video"},
	}))
	must(t, w.service[1].PauseStream(w.ctx, request("q1"), message.PauseStream{Presence: a, Stream: stream}))
	wantTypes(t, w.told("a"), "stream-updated", "stream-updated") // the second tells of the first again: it may have been late
	got := w.session().User("a").Streams[0]
	if cmp.Diff(got.PausedKinds, []string{"video"}) != "" || got.State != control.StreamActive {
		t.Fatalf("got %+v", got)
	}
	must(t, w.service[0].PauseStream(w.ctx, request("q3"), message.PauseStream{Presence: a, Stream: stream, Paused: true}))
	if got := w.session().User("a").Streams[0]; got.State != control.StreamPaused {
		t.Fatalf("got %+v", got)
	}
	err := w.service[0].PauseStream(w.ctx, request("q4"), message.PauseStream{Presence: a, Stream: "other"})
	wantCode(t, err, control.CodeNotFound)
}

// TestPause_OlderThanTheStream has a request to pause, delayed, handled when the stream was stopped and published
// again: it was about the stream before.
func TestPause_OlderThanTheStream(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a := w.join("a")
	w.publish(a, 1, "offer cam:audio,video")
	stream := w.session().User("a").Streams[0].ID
	must(t, w.service[0].Unpublish(w.ctx, request("publish-a-1-stop"), message.Unpublish{Presence: a, UpTo: 1}))
	w.publish(a, 2, "offer cam:audio,video")
	must(t, w.service[1].PauseStream(w.ctx, request("publish-a-1-pause"), message.PauseStream{
		Presence: a, Stream: stream, Paused: true,
	}))
	if got := w.session().User("a").Streams[0]; got.State != control.StreamActive {
		t.Errorf("got %+v", got)
	}
}

func TestSubscribe(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a := w.join("a")
	sess := w.session()
	m := w.fleet.byID[sess.Pipeline.Server]
	conn := sess.Connections[0]
	event := message.EndpointEvent{
		Presence: a, Kind: control.Subscribe, Epoch: 1, Pipeline: sess.Pipeline.ID, Endpoint: conn.Endpoint.ID,
	}
	w.told("a")
	must(t, w.twice(func(s *session.Service) error {
		return s.MediaOffer(w.ctx, request("e1"), message.MediaOffer{EndpointEvent: event, Seq: 1, SDP: "offer"})
	}))
	list := w.told("a")
	wantTypes(t, list, "offer")
	if got := data[message.SDPData](t, list, "offer"); got.Seq != 1 || got.Connection != control.Subscribe {
		t.Fatalf("got %+v", got)
	}
	must(t, w.service[0].Sync(w.ctx, request("sy"), a))
	if got := data[message.SyncData](t, w.told("a"), "sync"); len(got.Connections) != 1 || got.Connections[0].Offer != "offer" {
		t.Fatalf("got %+v", got)
	}
	must(t, w.twice(func(s *session.Service) error {
		return s.SubscribeAnswer(w.ctx, request("a1"), message.SubscribeAnswer{Presence: a, Epoch: 1, Seq: 1, SDP: "x"})
	}))
	must(t, w.service[0].AddCandidates(w.ctx, request("c1"), message.AddCandidates{
		Presence: a, Kind: control.Publish, Epoch: 1, Candidates: []control.Candidate{{Candidate: "c"}},
	}))
	must(t, w.service[0].RequestOffer(w.ctx, request("2"), message.RequestOffer{Presence: a, Epoch: 1}))
	must(t, w.service[1].Unsubscribe(w.ctx, request("1"), a))
	must(t, m.use(conn.Endpoint.ID, func(e *endpoint) {
		if e.stopped || cmp.Diff(e.answered, []int64{1}) != "" {
			t.Errorf("got %+v: an older stop won, or the answer is not there once", e)
		}
	}))
	list2 := control.Subscriptions{Mode: control.SubscribeList}
	must(t, w.service[0].SetSubscriptions(w.ctx, request("2"), message.SetSubscriptions{Presence: a, Subscriptions: list2}))
	must(t, w.service[1].SetSubscriptions(w.ctx, request("1"), message.SetSubscriptions{Presence: a}))
	must(t, m.use(conn.Endpoint.ID, func(e *endpoint) {
		if e.subscriptions.Mode != control.SubscribeList {
			t.Errorf("got %+v", e.subscriptions)
		}
	}))
}

func TestMediaState_FailuresRemoveTheUser(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a := w.join("a")
	sess := w.session()
	event := message.EndpointEvent{
		Presence: a, Kind: control.Subscribe, Epoch: 1, Pipeline: sess.Pipeline.ID,
		Endpoint: sess.Connections[0].Endpoint.ID,
	}
	w.told("a")
	states := []control.ConnectionState{
		control.ConnectionConnecting, control.ConnectionConnected, control.ConnectionFailed, control.ConnectionFailed,
	}
	for i, state := range states {
		must(t, w.twice(func(s *session.Service) error {
			return s.MediaState(w.ctx, request(fmt.Sprint("e", i)), message.MediaState{
				EndpointEvent: event, Number: int64(i + 1), State: state,
			})
		}))
	}
	wantTypes(t, w.told("a"), "connection-state", "connection-state", "connection-failed", "connection-failed")
	if u := w.session().Users[0]; u.Failures != 2 || u.State != control.UserReconnecting {
		t.Fatalf("got %+v", u)
	}
	asked := w.drain(message.SessionQueue(sid).Name)
	if len(asked) == 0 || asked[0].Type != message.TypeLeave {
		t.Fatalf("got %v, want a leave", asked)
	}
}

func TestMediaState_LateCloseDoesNotSilenceWhatFollows(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a := w.join("a")
	sess := w.session()
	event := message.EndpointEvent{
		Presence: a, Kind: control.Subscribe, Epoch: 1, Pipeline: sess.Pipeline.ID,
		Endpoint: sess.Connections[0].Endpoint.ID,
	}
	must(t, w.service[0].Unsubscribe(w.ctx, request("1"), a))
	must(t, w.service[1].RequestOffer(w.ctx, request("2"), message.RequestOffer{Presence: a, Epoch: 1, Fresh: true}))
	w.told("a")
	for i, state := range []control.ConnectionState{control.ConnectionClosed, control.ConnectionConnected} {
		must(t, w.service[0].MediaState(w.ctx, request(fmt.Sprint("e", i)), message.MediaState{
			EndpointEvent: event, Number: int64(i + 1), State: state,
		}))
	}
	wantTypes(t, w.told("a"), "connection-state")
}

func TestRebuild_MovesTheSession(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a, _ := w.join("a"), w.join("b")
	w.publish(a, 1, "offer cam:audio")
	before := w.session()
	w.told("a")
	lost := before.Pipeline.Server
	w.fleet.down[lost] = true
	must(t, w.store.MediaServers.SetStatus(w.ctx, lost, "i", control.StatusDown))
	rebuild := message.Rebuild{Epoch: 1, Pipeline: before.Pipeline.ID, Reason: session.ReasonServerDown}
	must(t, w.twice(func(s *session.Service) error {
		return s.Rebuild(w.ctx, request(session.RebuildID(sid, 1)), rebuild)
	}))
	list := w.told("a")
	wantTypes(t, list, "disconnected", "reconnect")
	if got := data[message.EpochData](t, list, "reconnect"); got.Epoch != 2 {
		t.Fatalf("got %+v", got)
	}
	after := w.session()
	if after.Epoch != 2 || after.Pipeline.Server == lost || len(after.Connections) != 2 {
		t.Fatalf("got %+v", after)
	}
	if u := after.User("a"); len(u.Streams) != 1 || u.State != control.UserReconnecting {
		t.Fatalf("got %+v, want its stream to stay", u)
	}
	w.publish(a, 1, "offer cam:audio")
	wantTypes(t, w.told("a"), "answer")
	must(t, w.service[0].Rebuild(w.ctx, request("late"), message.Rebuild{Epoch: 0}))
	if w.session().Epoch != 2 {
		t.Fatal("a late rebuild moved the session again")
	}
}

// The exchange was lost with a node of the broker: it is made again, and users get their state.
func TestBroadcast_RestoresALostExchange(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	w.join("a")
	b := w.join("b")
	w.told("a")
	must(t, w.broker.DeleteExchange(w.ctx, message.SessionExchange(sid)))
	must(t, w.service[0].Leave(w.ctx, request("l"), message.Leave{Presence: b, Reason: "left"}))
	wantTypes(t, w.told("a"), "sync", "user-left")
}

// The exchange was lost, and somebody who comes or asks for its state makes it again: the others hear of everything,
// too.
func TestBind_RestoresALostExchangeForEverybody(t *testing.T) {
	for name, act := range map[string]func(w *world, b message.Presence){
		"sync": func(w *world, b message.Presence) { must(t, w.service[0].Sync(w.ctx, request("s"), b)) },
		"join": func(w *world, _ message.Presence) { w.join("c") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.create(0)
			w.join("a")
			b := w.join("b")
			w.told("a")
			must(t, w.broker.DeleteExchange(w.ctx, message.SessionExchange(sid)))
			act(w, b)
			must(t, w.service[0].Leave(w.ctx, request("l"), message.Leave{Presence: b, Reason: "left"}))
			told := w.told("a")
			if first, last := told[0], told[len(told)-1]; first.Type != "sync" || last.Type != "user-left" {
				t.Errorf("a was told %s first and %s last", first.Type, last.Type)
			}
		})
	}
}

// Whatever step a Wrapper dies at, the next delivery ends in the same state. Dying is a context that ends.
func TestRequests_SurviveDyingAtEveryStep(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	b := w.join("b")
	requests := []func(ctx context.Context, s *session.Service) error{
		func(ctx context.Context, s *session.Service) error {
			_, err := s.Join(ctx, request("ja"), message.Join{User: "a", Permissions: all()})
			return err
		},
		func(ctx context.Context, s *session.Service) error {
			_, err := s.Publish(ctx, request("p"), message.Publish{
				Presence: message.Presence{User: "a", Join: "ja"}, Epoch: 1, Seq: 1, SDP: "offer cam:audio",
			})
			return err
		},
		func(ctx context.Context, s *session.Service) error {
			return s.Unpublish(ctx, request("u"), message.Unpublish{
				Presence: message.Presence{User: "a", Join: "ja"}, UpTo: 1,
			})
		},
		func(ctx context.Context, s *session.Service) error {
			return s.Leave(ctx, request("l"), message.Leave{
				Presence: message.Presence{User: "a", Join: "ja"}, Reason: "left",
			})
		},
	}
	w.told(b.User)
	for _, handle := range requests {
		for steps := range 200 {
			dying := newDying(w, steps)
			err := handle(w.ctx, dying.service())
			if !dying.died {
				must(t, err)
				break
			}
		}
	}
	wantTypes(t, w.told("b"), "user-joined", "stream-added", "stream-removed", "user-left")
}

// A join whose media server cannot be asked leaves the request for its endpoint to the queue. What the user asks for
// later is later by its id, too.
func TestJoin_WhatIsLeftToTheQueueIsNotTheLastWord(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	b := w.join("b")
	server := w.session().Pipeline.Server
	w.fleet.down[server] = true
	w.fleet.list = w.fleet.list[:0] // nobody has noticed yet
	a := message.Presence{User: "a", Join: control.JoinID(control.NewID())}
	_, err := w.service[0].Join(w.ctx, request(string(a.Join)), message.Join{User: a.User, Permissions: all()})
	must(t, err)
	left := w.drain(message.SessionQueue(sid).Name)
	if len(left) != 1 || left[0].Type != message.TypeRequestOffer {
		t.Fatalf("got %v, want a request for an offer to %s, not to %s", left, a.User, b.User)
	}
	w.fleet.down[server] = false
	must(t, w.service[0].RequestOffer(w.ctx, request(left[0].ID), message.RequestOffer{Presence: a, Epoch: 1}))
	must(t, w.service[1].Unsubscribe(w.ctx, request(control.NewID()), a))
	conn := w.session().Connection(a.User, control.Subscribe)
	must(t, w.fleet.byID[server].use(conn.Endpoint.ID, func(e *endpoint) {
		if !e.stopped || conn.State != control.ConnectionClosed {
			t.Errorf("the user asked for a stop, got %+v, %+v", conn, e)
		}
	}))
}
