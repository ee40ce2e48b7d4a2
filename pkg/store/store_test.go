package store_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
)

var now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func open(t *testing.T) *store.Store {
	t.Helper()
	url, database := mongo.URL(t)
	s, err := store.Open(t.Context(), url, database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustGuard(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrGuard) {
		t.Fatalf("got %v, want a lost guard", err)
	}
}

func session(t *testing.T, s *store.Store, id control.SessionID) *control.Session {
	t.Helper()
	got, err := s.Sessions.Get(t.Context(), id)
	must(t, err)
	return got
}

func insert(t *testing.T, s *store.Store, id control.SessionID) {
	t.Helper()
	must(t, s.Sessions.Insert(t.Context(), control.Session{
		ID: id, State: control.SessionActive, CreatedAt: now, CreatedBy: "r1", EmptyTimeout: time.Minute, EmptySince: &now,
	}))
}

func user(id control.UserID, join control.JoinID) control.User {
	return control.User{ID: id, Join: join, State: control.UserJoined, JoinedAt: now}
}

func TestSessions_InsertGuardsTheID(t *testing.T) {
	s := open(t)
	insert(t, s, "s")
	mustGuard(t, s.Sessions.Insert(t.Context(), control.Session{ID: "s"}))
	if got := session(t, s, "s"); got.EmptyTimeout != time.Minute || got.Users == nil || !got.EmptySince.Equal(now) {
		t.Errorf("got %+v", got)
	}
	if _, err := s.Sessions.Get(t.Context(), "other"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v, want not found", err)
	}
}

func TestSessions_ACompareAndSetGivesOnePipelineAnEpoch(t *testing.T) {
	s := open(t)
	insert(t, s, "s")
	ctx := t.Context()
	must(t, s.Sessions.AddUser(ctx, "s", user("a", "j"), 0))
	must(t, s.Sessions.SetPipeline(ctx, "s", 0, control.PipelineRef{ID: "p1", Server: "m", Instance: "i"}, nil))
	mustGuard(t, s.Sessions.SetPipeline(ctx, "s", 0, control.PipelineRef{ID: "p2"}, nil))
	must(t, s.Sessions.AddConnection(ctx, "s", control.Connection{
		ID: "publish/a", User: "a", Kind: control.Publish, Join: "j", Epoch: 1, Endpoint: control.EndpointRef{ID: "e"},
	}))
	got := session(t, s, "s")
	if ref := got.Connections[0].Endpoint; got.Epoch != 1 || ref.ID != "e" || ref.Pipeline.ID != "p1" {
		t.Fatalf("got epoch %d, endpoint %+v", got.Epoch, ref)
	}
	must(t, s.Sessions.SetPipeline(ctx, "s", 1, control.PipelineRef{ID: "p3", Server: "m"}, []control.UserID{"a"}))
	got = session(t, s, "s")
	if got.Epoch != 2 || len(got.Connections) != 0 || got.Users[0].State != control.UserReconnecting {
		t.Fatalf("got %+v", got)
	}
}

func TestSessions_TheLastSeatIsTakenOnce(t *testing.T) {
	s := open(t)
	insert(t, s, "s")
	const contenders, seats = 8, 3
	var group sync.WaitGroup
	results := make([]error, contenders)
	for i := range contenders {
		group.Go(func() {
			id := control.UserID(rune('a' + i))
			results[i] = s.Sessions.AddUser(t.Context(), "s", user(id, "j"), seats)
		})
	}
	group.Wait()
	got := session(t, s, "s")
	if len(got.Users) != seats || got.EmptySince != nil {
		t.Fatalf("got %d users, want %d", len(got.Users), seats)
	}
	mustGuard(t, s.Sessions.AddUser(t.Context(), "s", got.Users[0], 0))
}

func TestSessions_LeavingUsersAreSetApart(t *testing.T) {
	s := open(t)
	insert(t, s, "s")
	ctx := t.Context()
	must(t, s.Sessions.AddUser(ctx, "s", user("a", "j1"), 0))
	mustGuard(t, s.Sessions.MarkLeaving(ctx, "s", "a", "j0", "left"))
	mustGuard(t, s.Sessions.RemoveLeaving(ctx, "s", "a", "j1"))
	must(t, s.Sessions.MarkLeaving(ctx, "s", "a", "j1", "left"))
	mustGuard(t, s.Sessions.MarkLeaving(ctx, "s", "a", "j1", "removed"))
	mustGuard(t, s.Sessions.Rejoin(ctx, "s", "j1", user("a", "j2"), true))
	if got := session(t, s, "s"); len(got.Users) != 0 || len(got.Leaving) != 1 || got.Leaving[0].Leaving != "left" {
		t.Fatalf("got %+v and %+v", got.Users, got.Leaving)
	}
	mustGuard(t, s.Sessions.MarkEmpty(ctx, "s", now))
	must(t, s.Sessions.RemoveLeaving(ctx, "s", "a", "j1"))
	must(t, s.Sessions.MarkEmpty(ctx, "s", now))
	mustGuard(t, s.Sessions.MarkEmpty(ctx, "s", now))
}

func TestSessions_RejoinKeepsWhatWasThereUntilItIsDropped(t *testing.T) {
	s := open(t)
	insert(t, s, "s")
	ctx := t.Context()
	first := user("a", "j1")
	first.Name, first.Streams = "Ann", []control.Stream{{ID: "st", Join: "j1", Kinds: []string{"audio"}}}
	must(t, s.Sessions.AddUser(ctx, "s", first, 0))
	must(t, s.Sessions.SetPipeline(ctx, "s", 0, control.PipelineRef{ID: "p"}, nil))
	old := control.Connection{ID: "publish/a", User: "a", Kind: control.Publish, Join: "j1", Epoch: 1}
	must(t, s.Sessions.AddConnection(ctx, "s", old))
	again := user("a", "j2")
	again.Name = "Other"
	must(t, s.Sessions.Rejoin(ctx, "s", "j1", again, false))
	mustGuard(t, s.Sessions.Rejoin(ctx, "s", "j1", again, false))
	got := session(t, s, "s")
	if u := got.Users[0]; u.Join != "j2" || u.Name != "Ann" || len(u.Streams) != 1 || len(got.Connections) != 1 {
		t.Fatalf("got %+v", got)
	}
	old.Join = "j2"
	must(t, s.Sessions.AddConnection(ctx, "s", old))
	must(t, s.Sessions.DropOldJoin(ctx, "s", "a", "j2"))
	got = session(t, s, "s")
	if len(got.Users[0].Streams) != 0 || len(got.Connections) != 1 || got.Connections[0].Join != "j2" {
		t.Fatalf("got %+v", got)
	}
}

func TestSessions_ConnectionGuards(t *testing.T) {
	s := open(t)
	insert(t, s, "s")
	ctx := t.Context()
	must(t, s.Sessions.AddUser(ctx, "s", user("a", "j"), 0))
	must(t, s.Sessions.SetPipeline(ctx, "s", 0, control.PipelineRef{ID: "p"}, nil))
	c := control.Connection{
		ID: "publish/a", User: "a", Kind: control.Publish, Join: "j", Epoch: 1, Endpoint: control.EndpointRef{ID: "e"},
		State: control.ConnectionNew,
	}
	must(t, s.Sessions.AddConnection(ctx, "s", c))
	mustGuard(t, s.Sessions.AddConnection(ctx, "s", c))

	stream := control.Stream{
		ID: "st", User: "a", Join: "j", Kinds: []string{"audio", "video"}, State: control.StreamActive, Added: "m",
	}
	must(t, s.Sessions.SetAnswered(ctx, "s", c, 1, []control.Stream{stream}, 0))
	mustGuard(t, s.Sessions.SetAnswered(ctx, "s", c, 1, nil, 0))
	c.Seq = 1
	mustGuard(t, s.Sessions.SetAnswered(ctx, "s", c, 2, nil, 0))

	stream.PausedKinds, stream.State, stream.PausedBy = []string{"video"}, control.StreamActive, "q"
	mustGuard(t, s.Sessions.SetPaused(ctx, "s", stream, 0))
	must(t, s.Sessions.SetPaused(ctx, "s", stream, 1))

	must(t, s.Sessions.SetConnectionState(ctx, "s", c, control.ConnectionFailed, 2, now))
	mustGuard(t, s.Sessions.SetConnectionState(ctx, "s", c, control.ConnectionConnected, 1, now))
	if u := session(t, s, "s").Users[0]; u.Failures != 1 || u.State != control.UserReconnecting {
		t.Fatalf("got %+v", u)
	}
	must(t, s.Sessions.SetConnectionState(ctx, "s", c, control.ConnectionConnected, 3, now))
	got := session(t, s, "s")
	if u := got.Users[0]; u.Failures != 0 || u.State != control.UserJoined || u.StreamsRev != 2 ||
		cmp.Diff(u.Streams[0].PausedKinds, []string{"video"}) != "" {
		t.Fatalf("got %+v", u)
	}

	mustGuard(t, s.Sessions.StopPublishing(ctx, "s", c, 0, now))
	must(t, s.Sessions.StopPublishing(ctx, "s", c, 1, now))
	c = session(t, s, "s").Connections[0]
	mustGuard(t, s.Sessions.SetAnswered(ctx, "s", c, 2, nil, got.Users[0].StreamsRev))
	other := c
	other.Endpoint.ID = "of an offer before"
	mustGuard(t, s.Sessions.ClearStopped(ctx, "s", other))
	must(t, s.Sessions.ClearStopped(ctx, "s", c))
	got = session(t, s, "s")
	if got.Connections[0].Endpoint.ID != "" || len(got.Users[0].Streams) != 0 {
		t.Fatalf("got %+v", got)
	}
}

func TestSessions_LaterRequestsWin(t *testing.T) {
	s := open(t)
	insert(t, s, "s")
	ctx := t.Context()
	must(t, s.Sessions.AddUser(ctx, "s", user("a", "j"), 0))
	list := control.Subscriptions{Mode: control.SubscribeList, Streams: []control.Subscription{{ID: "x"}}}
	must(t, s.Sessions.SetSubscriptions(ctx, "s", "a", "j", list, "2"))
	mustGuard(t, s.Sessions.SetSubscriptions(ctx, "s", "a", "j", control.Subscriptions{}, "1"))
	if got := session(t, s, "s").Users[0].Subscriptions; got.Mode != control.SubscribeList || got.Streams[0].ID != "x" {
		t.Fatalf("got %+v", got)
	}
}

func TestSessions_CloseAndForget(t *testing.T) {
	s := open(t)
	insert(t, s, "s")
	ctx := t.Context()
	must(t, s.Sessions.AddUser(ctx, "s", user("a", "j"), 0))
	mustGuard(t, s.Sessions.MarkClosing(ctx, "s", "empty", true))
	mustGuard(t, s.Sessions.MarkClosed(ctx, "s", now, now))
	must(t, s.Sessions.MarkClosing(ctx, "s", "deleted", false))
	if list, err := s.Sessions.Closing(ctx, 10); err != nil || len(list) != 1 {
		t.Fatalf("got %v, %v", list, err)
	}
	must(t, s.Sessions.MarkClosed(ctx, "s", now, time.Now().Add(time.Hour)))
	must(t, s.Sessions.DeleteExpired(ctx, "s", now))
	session(t, s, "s")
	must(t, s.Sessions.DeleteExpired(ctx, "s", time.Now().Add(2*time.Hour)))
	if _, err := s.Sessions.Get(ctx, "s"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("got %v", err)
	}
}

func TestSessions_Summaries(t *testing.T) {
	s := open(t)
	ctx := t.Context()
	insert(t, s, "s")
	if list, err := s.Sessions.Empty(ctx, time.Time{}, now, 10); err != nil || len(list) != 1 || list[0].EmptyTimeout != time.Minute {
		t.Fatalf("got %+v, %v", list, err)
	}
	must(t, s.Sessions.SetPipeline(ctx, "s", 0, control.PipelineRef{ID: "p", Server: "m", Instance: "old"}, nil))
	if list, err := s.Sessions.Stranded(ctx, "m", "new"); err != nil || len(list) != 1 || list[0].Pipeline.ID != "p" {
		t.Fatalf("got %+v, %v", list, err)
	}
	if list, err := s.Sessions.Stranded(ctx, "m", "old"); err != nil || len(list) != 0 {
		t.Fatalf("got %+v, %v", list, err)
	}
}

func TestNegotiations(t *testing.T) {
	s := open(t)
	ctx := t.Context()
	c := control.Connection{User: "a", Kind: control.Publish, Join: "j1", Epoch: 1}
	for seq := range int64(6) {
		answer := control.SDPAnswer{Seq: seq + 1, SDP: "sdp"}
		must(t, s.Negotiations.StoreAnswer(ctx, "s", c, answer, now))
		mustGuard(t, s.Negotiations.StoreAnswer(ctx, "s", c, answer, now))
	}
	got, err := s.Negotiations.Get(ctx, control.NegotiationID("s", "a", control.Publish))
	must(t, err)
	if len(got.Answers) != 4 || got.Answers[3].Seq != 6 || got.Seq != 6 || got.Session != "s" {
		t.Fatalf("got %+v", got)
	}
	must(t, s.Negotiations.StoreAnswer(ctx, "s", c, control.SDPAnswer{Seq: 5, Endpoint: "e", SDP: "late"}, now))
	got, err = s.Negotiations.Get(ctx, control.NegotiationID("s", "a", control.Publish))
	must(t, err)
	if got.Seq != 6 || got.AnswerBy("e", 6).SDP != "sdp" || got.AnswerBy("e", 7) != nil {
		t.Fatalf("got %+v", got)
	}
	c.Join = "j2"
	mustGuard(t, s.Negotiations.StoreAnswer(ctx, "s", c, control.SDPAnswer{Seq: 1}, now))

	c = control.Connection{User: "a", Kind: control.Subscribe, Join: "j1", Epoch: 1}
	must(t, s.Negotiations.StoreOffer(ctx, "s", c, 2, "two", now))
	mustGuard(t, s.Negotiations.StoreOffer(ctx, "s", c, 1, "one", now))
	must(t, s.Negotiations.SetAnswered(ctx, "s", c, 2, now))
	c.Epoch = 2
	must(t, s.Negotiations.StoreOffer(ctx, "s", c, 1, "anew", now))
	got, err = s.Negotiations.Get(ctx, control.NegotiationID("s", "a", control.Subscribe))
	must(t, err)
	if got.Epoch != 2 || got.Seq != 1 || got.Offer != "anew" || got.AnsweredSeq != 0 {
		t.Fatalf("got %+v", got)
	}
	must(t, s.Negotiations.RemoveUser(ctx, "s", "a", "j1"))
	if _, err := s.Negotiations.Get(ctx, got.ID); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("got %v", err)
	}
}

func TestPresence(t *testing.T) {
	s := open(t)
	ctx := t.Context()
	must(t, s.Presence.Begin(ctx, "s", "a", now))
	must(t, s.Presence.Begin(ctx, "s", "b", now.Add(time.Minute)))
	idle, err := s.Presence.Idle(ctx, now.Add(time.Second), 10)
	must(t, err)
	if len(idle) != 1 || idle[0].User != "a" || !idle[0].SeenAt.Equal(now) {
		t.Fatalf("got %+v", idle)
	}
	must(t, s.Presence.Remove(ctx, "s", "a", now.Add(-time.Second)))
	if idle, _ = s.Presence.Idle(ctx, now.Add(time.Second), 10); len(idle) != 1 {
		t.Fatal("a user that was heard of since is forgotten")
	}
	must(t, s.Presence.Heard(ctx, "s", "a", now.Add(time.Second)))
	must(t, s.Presence.Heard(ctx, "s", "a", now))
	must(t, s.Presence.Heard(ctx, "s", "gone", now))
	if heard, err := s.Presence.Get(ctx, "s", "a"); err != nil || !heard.SeenAt.Equal(now.Add(time.Second)) {
		t.Errorf("heard of at %s (%v), not a second after %s", heard.SeenAt, err, now)
	}
	if _, err := s.Presence.Get(ctx, "s", "gone"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a user that is gone: %v", err)
	}
	must(t, s.Presence.RemoveSession(ctx, "s"))
	if idle, _ = s.Presence.Idle(ctx, now.Add(time.Hour), 10); len(idle) != 0 {
		t.Fatalf("got %+v", idle)
	}
}

// seen collects what a watcher is told.
type seen struct {
	mu      sync.Mutex
	live    map[control.SessionID]bool
	servers map[control.MediaServerID]control.MediaServer
}

func (w *seen) Live(id control.SessionID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.live[id] = true
}

func (w *seen) Ended(id control.SessionID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.live, id)
}

func (w *seen) is(id control.SessionID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.live[id]
}

type seenSessions struct{ *seen }

func (w seenSessions) Reset(ids []control.SessionID) {
	for _, id := range ids {
		w.Live(id)
	}
}

func TestWatchLive(t *testing.T) {
	s := open(t)
	insert(t, s, "before")
	w := &seen{live: map[control.SessionID]bool{}}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { _ = s.Sessions.WatchLive(ctx, seenSessions{w}, slog.New(slog.DiscardHandler)) })
	defer group.Wait()
	defer cancel()
	expect := func(id control.SessionID, want bool) {
		t.Helper()
		testkit.Eventually(t, func() error {
			if w.is(id) != want {
				return errors.New(string(id) + " is not as it should be")
			}
			return nil
		})
	}
	expect("before", true)
	insert(t, s, "after")
	expect("after", true)
	must(t, s.Sessions.MarkClosing(ctx, "after", "deleted", false))
	must(t, s.Sessions.MarkClosed(ctx, "after", now, time.Now().Add(time.Hour)))
	expect("after", false)
}

func (w *seen) Changed(server control.MediaServer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.servers[server.ID] = server
}

func (w *seen) Removed(id control.MediaServerID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.servers, id)
}

type seenServers struct{ *seen }

func (w seenServers) Reset(servers []control.MediaServer) {
	for _, server := range servers {
		w.Changed(server)
	}
}

func TestWatchMediaServers(t *testing.T) {
	s := open(t)
	w := &seen{servers: map[control.MediaServerID]control.MediaServer{}}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { _ = s.MediaServers.Watch(ctx, seenServers{w}, slog.New(slog.DiscardHandler)) })
	defer group.Wait()
	defer cancel()
	must(t, s.MediaServers.Register(ctx, control.MediaServer{ID: "m", Instance: "i", HeartbeatAt: now}))
	must(t, s.MediaServers.Heartbeat(ctx, "m", "i", control.Load{Pipelines: 3}, now))
	testkit.Eventually(t, func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if got := w.servers["m"]; got.Load.Pipelines != 3 {
			return errors.New("the heartbeat was not seen")
		}
		return nil
	})
}
