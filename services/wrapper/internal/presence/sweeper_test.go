package presence_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/memory"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
	"github.com/orkestro/orkestro/services/wrapper/internal/presence"
)

type fixture struct {
	t       *testing.T
	store   *store.Store
	broker  *memory.Broker
	sweeper *presence.Sweeper
	now     time.Time // of the sweeper
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	url, database := mongo.URL(t)
	st, err := store.Open(t.Context(), url, database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close(context.Background()) })
	log := slog.New(slog.DiscardHandler)
	b := memory.New(log)
	t.Cleanup(func() { _ = b.Close() })
	f := &fixture{t: t, store: st, broker: b, now: time.Now()}
	f.sweeper = presence.New(presence.Config{
		Every: time.Second, Grace: time.Minute, EmptyTimeout: time.Hour, Now: func() time.Time { return f.now },
	}, st, b, log)
	return f
}

// sweepFor sweeps every second for so long, during which there is a REST replica in that state.
func (f *fixture) sweepFor(d time.Duration, state string) {
	f.t.Helper()
	for end := f.now.Add(d); !f.now.After(end); f.now = f.now.Add(time.Second) {
		f.must(f.store.RestAPIs.Register(f.t.Context(), control.Replica{ID: "r", State: state, HeartbeatAt: f.now}))
		f.must(f.sweeper.Sweep(f.t.Context()))
	}
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// insert enters a session that has been empty for so long.
func (f *fixture) insert(id control.SessionID, empty, timeout time.Duration) {
	f.t.Helper()
	since := time.Now().Add(-empty)
	f.must(f.broker.DeclareQueue(f.t.Context(), message.SessionQueue(id)))
	f.must(f.store.Sessions.Insert(f.t.Context(), control.Session{
		ID: id, State: control.SessionActive, EmptySince: &since, EmptyTimeout: timeout,
	}))
}

// user enters a user that was last heard of so long ago, with a subscribe connection in that state.
func (f *fixture) user(id control.UserID, silent time.Duration, state control.ConnectionState) {
	f.t.Helper()
	ctx, join := f.t.Context(), control.JoinID("j-"+id)
	f.must(f.store.Sessions.AddUser(ctx, "s", control.User{ID: id, Join: join}, 0))
	f.must(f.store.Presence.Begin(ctx, "s", id, time.Now().Add(-silent)))
	f.must(f.store.Sessions.AddConnection(ctx, "s", control.Connection{
		ID: "subscribe/" + string(id), User: id, Kind: control.Subscribe, Join: join, State: state,
		ChangedAt: time.Now().Add(-silent),
	}))
}

func (f *fixture) count(id control.SessionID) int {
	f.t.Helper()
	info, err := f.broker.Inspect(f.t.Context(), message.SessionQueue(id).Name)
	if err != nil {
		return 0
	}
	return info.Messages
}

// askedToLeave takes the first request from a session's queue, which is a leave.
func (f *fixture) askedToLeave(id control.SessionID) message.Leave {
	f.t.Helper()
	mailbox, err := f.broker.OpenMailbox(f.t.Context(), message.SessionQueue(id).Name, 10)
	f.must(err)
	defer func() { _ = mailbox.Close() }()
	asked := <-mailbox.Deliveries()
	if asked.Type != message.TypeLeave {
		f.t.Fatalf("asked for %s", asked.Type)
	}
	var leave message.Leave
	f.must(json.Unmarshal(asked.Body, &leave))
	f.must(asked.Ack())
	return leave
}

func TestSweep_AsksSilentUsersToLeave(t *testing.T) {
	f := newFixture(t)
	f.insert("s", 0, 0)
	f.user("silent", 2*time.Minute, control.ConnectionDisconnected)
	f.user("polls", -time.Minute, control.ConnectionDisconnected)
	f.user("connected", 2*time.Minute, control.ConnectionConnected)
	f.sweepFor(time.Minute+time.Second, control.ReplicaReady)
	leave := f.askedToLeave("s")
	if leave.User != "silent" || leave.Join != "j-silent" || leave.Reason != "timeout" {
		t.Fatalf("got %+v", leave)
	}
	if f.count("s") != 0 {
		t.Fatal("somebody else was asked too")
	}
}

// Silence counts only while polling was possible: not while there was no REST replica, or none that had what it needs,
// and not before this Wrapper looked.
func TestSweep_SparesUsersWhoCouldNotPoll(t *testing.T) {
	f := newFixture(t)
	f.insert("s", time.Hour, time.Minute)
	f.user("silent", time.Hour, control.ConnectionDisconnected)
	f.insert("empty", time.Hour, time.Minute)
	expect := func(when string, asked int) {
		t.Helper()
		if f.count("s") != asked || f.count("empty") != asked {
			t.Fatalf("%s: asked %d users to leave and %d sessions to close, want %d", when,
				f.count("s"), f.count("empty"), asked)
		}
	}
	f.sweepFor(50*time.Second, control.ReplicaReady)
	expect("the Wrapper is new", 0)
	f.sweepFor(5*time.Minute, control.ReplicaUnready)
	expect("the broker is away", 0)
	f.sweepFor(50*time.Second, control.ReplicaReady)
	expect("it is back", 0)
	f.now = f.now.Add(5 * time.Minute) // nobody looked
	f.sweepFor(50*time.Second, control.ReplicaReady)
	expect("the Wrapper was frozen", 0)
	f.must(f.store.RestAPIs.Remove(t.Context(), "r"))
	for range 300 {
		f.must(f.sweeper.Sweep(t.Context()))
		f.now = f.now.Add(time.Second)
	}
	expect("there is no replica", 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f.sweepFor(50*time.Second, control.ReplicaReady)
	if f.sweeper.Sweep(ctx) == nil {
		t.Fatal("the database could be asked")
	}
	f.sweepFor(50*time.Second, control.ReplicaReady)
	expect("the database was away", 0)
	f.sweepFor(11*time.Second, control.ReplicaReady)
	if f.count("s") == 0 || f.count("empty") == 0 {
		t.Fatal("nobody was asked to leave after the whole grace time")
	}
}

func TestSweep_ForgetsThePresenceOfUsersThatAreGone(t *testing.T) {
	f := newFixture(t)
	f.must(f.store.Presence.Begin(t.Context(), "other", "u", time.Now().Add(-time.Hour)))
	f.sweepFor(2*time.Minute, control.ReplicaReady)
	if idle, err := f.store.Presence.Idle(t.Context(), time.Now(), 10); err != nil || len(idle) != 0 {
		t.Fatalf("got %v, %v", idle, err)
	}
}

// Something may be left of a user that has left: that is seen to where all its requests are handled.
func TestSweep_HasUsersClearedThatAreGone(t *testing.T) {
	f := newFixture(t)
	f.insert("s", 0, time.Hour)
	seen := time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
	f.must(f.store.Presence.Begin(t.Context(), "s", "u", seen))
	f.sweepFor(time.Minute+time.Second, control.ReplicaReady)
	gone := f.askedToLeave("s")
	if gone.User != "u" || gone.Join != "" || !gone.SeenAt.Equal(seen) {
		t.Fatalf("got %+v", gone)
	}
}

func TestSweep_ClosesEmptySessions(t *testing.T) {
	f := newFixture(t)
	f.insert("own", 2*time.Minute, time.Minute)
	f.insert("default", 2*time.Minute, 0)
	f.sweepFor(time.Minute+time.Second, control.ReplicaReady)
	if f.count("own") != 1 || f.count("default") != 0 {
		t.Fatalf("asked %d and %d, want the first only", f.count("own"), f.count("default"))
	}
}

// Many sessions that may be empty for long do not keep those from being closed that came after them.
func TestSweep_LooksAtAllEmptySessions(t *testing.T) {
	f := newFixture(t)
	for n := range 600 { // more than one round looks at
		f.insert(control.SessionID(fmt.Sprint("patient-", n)), 2*time.Hour-time.Duration(n)*time.Second, 24*time.Hour)
	}
	f.insert("s", 2*time.Minute, time.Minute)
	f.sweepFor(time.Minute+2*time.Second, control.ReplicaReady)
	if f.count("s") == 0 {
		t.Error("nobody closes it")
	}
}

// fullQueue is a broker one of whose queues takes nothing.
type fullQueue struct {
	*memory.Broker
	name string
}

func (q fullQueue) Send(ctx context.Context, queue string, m broker.Message) error {
	if queue == q.name {
		return broker.ErrFull
	}
	return q.Broker.Send(ctx, queue, m)
}

// A session whose queue is full does not keep others from being seen to.
func TestSweep_GoesOnBehindAFullQueue(t *testing.T) {
	f := newFixture(t)
	f.sweeper = presence.New(presence.Config{Every: time.Second, Grace: time.Minute, EmptyTimeout: time.Hour},
		f.store, fullQueue{f.broker, message.SessionQueue("a").Name}, slog.New(slog.DiscardHandler))
	for _, id := range []control.SessionID{"a", "b"} {
		f.insert(id, 0, time.Hour)
		f.must(f.store.Sessions.MarkClosing(t.Context(), id, "deleted", false))
	}
	f.must(f.sweeper.Sweep(t.Context()))
	if f.count("b") != 1 {
		t.Error("nobody was asked to finish the other one")
	}
}

func TestSweep_MarksEmptySessions(t *testing.T) {
	f := newFixture(t)
	f.must(f.store.Sessions.Insert(t.Context(), control.Session{ID: "s", State: control.SessionActive}))
	f.sweepFor(time.Minute, control.ReplicaReady)
	if sess, err := f.store.Sessions.Get(t.Context(), "s"); err != nil || sess.EmptySince == nil {
		t.Fatalf("nobody says that it is empty (%v)", err)
	}
}

func TestSweep_FinishesWhatIsHalfClosed(t *testing.T) {
	f := newFixture(t)
	f.insert("s", 0, time.Hour)
	f.must(f.store.Sessions.MarkClosing(t.Context(), "s", "deleted", false))
	f.must(f.sweeper.Sweep(t.Context()))
	if f.count("s") != 1 {
		t.Fatal("nobody was asked to finish it")
	}
}

// The queue of a session that is just being closed is not made again: nobody would delete it.
func TestSweep_AsksEveryWrapperWhereTheQueueIsGone(t *testing.T) {
	f := newFixture(t)
	f.must(f.broker.DeclareQueue(t.Context(), message.Wrapper()))
	f.insert("s", 0, time.Hour)
	f.must(f.store.Sessions.MarkClosing(t.Context(), "s", "deleted", false))
	f.must(f.broker.DeleteQueue(t.Context(), message.SessionQueue("s").Name))
	f.must(f.sweeper.Sweep(t.Context()))
	if info, err := f.broker.Inspect(t.Context(), message.WrapperQueue); err != nil || info.Messages != 1 {
		t.Errorf("the queue of the Wrappers has %d messages (%v)", info.Messages, err)
	}
	if _, err := f.broker.Inspect(t.Context(), message.SessionQueue("s").Name); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("the session's queue was made again (%v)", err)
	}
}

func TestSweep_ClearsUpAfterClosedSessions(t *testing.T) {
	f := newFixture(t)
	f.insert("s", 0, time.Hour)
	f.must(f.broker.DeclareExchange(t.Context(), message.SessionExchange("s")))
	for _, user := range []control.UserID{"done", "unread", "left"} {
		f.user(user, 0, control.ConnectionClosed)
		f.must(f.broker.DeclareQueue(t.Context(), message.UserQueue("s", user)))
	}
	for _, user := range []control.UserID{"unread", "left"} {
		f.must(f.broker.Send(t.Context(), message.UserQueue("s", user).Name, broker.Message{ID: "m"}))
	}
	f.must(f.store.Sessions.MarkLeaving(t.Context(), "s", "left", "j-left", "left"))
	f.must(f.store.Sessions.RemoveLeaving(t.Context(), "s", "left", "j-left"))
	f.must(f.store.Sessions.MarkClosing(t.Context(), "s", "deleted", false))
	f.must(f.store.Sessions.MarkClosed(t.Context(), "s", time.Now(), time.Now().Add(time.Hour)))
	f.sweepFor(10*time.Second, control.ReplicaReady) // a late request may still be handled
	if _, err := f.broker.Inspect(t.Context(), message.SessionQueue("s").Name); err != nil {
		t.Fatal(err)
	}
	f.sweepFor(10*time.Second, control.ReplicaReady)
	if _, err := f.broker.Inspect(t.Context(), message.SessionQueue("s").Name); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("the queue is there (%v)", err)
	}
	err := f.broker.Broadcast(t.Context(), message.SessionExchange("s"), broker.Message{ID: "nothing"})
	if !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("the exchange is there (%v)", err)
	}
	if _, err := f.broker.Inspect(t.Context(), message.UserQueue("s", "done").Name); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("the queue of a user that has read everything is there (%v)", err)
	}
	if _, err := f.broker.Inspect(t.Context(), message.UserQueue("s", "unread").Name); err != nil {
		t.Errorf("what a user has not read is gone: %v", err)
	}
	if _, err := f.broker.Inspect(t.Context(), message.UserQueue("s", "left").Name); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("the queue of a user that left before the end is there (%v)", err)
	}
	if heard, err := f.store.Presence.InSession(t.Context(), "s"); err != nil || len(heard) != 0 {
		t.Errorf("their presence is there: %v, %v", heard, err)
	}
	if left, err := f.store.Sessions.Uncleared(t.Context(), f.now, 10); err != nil || len(left) != 0 {
		t.Errorf("it is looked at again and again: %v, %v", left, err)
	}
}

// A replica may keep the queue of a user open for a while after the user has read it to the end.
func TestSweep_ClearsUpWhenNobodyReadsAnyMore(t *testing.T) {
	f := newFixture(t)
	f.insert("s", 0, time.Hour)
	f.user("ann", 0, control.ConnectionClosed)
	queue := message.UserQueue("s", "ann")
	f.must(f.broker.DeclareQueue(t.Context(), queue))
	open, err := f.broker.OpenMailbox(t.Context(), queue.Name, 10)
	f.must(err)
	f.must(f.store.Sessions.MarkClosing(t.Context(), "s", "deleted", false))
	f.must(f.store.Sessions.MarkClosed(t.Context(), "s", time.Now(), time.Now().Add(time.Hour)))
	f.sweepFor(20*time.Second, control.ReplicaReady)
	if _, err := f.broker.Inspect(t.Context(), queue.Name); err != nil {
		t.Fatalf("the queue was deleted under its reader: %v", err)
	}
	f.must(open.Close())
	f.sweepFor(5*time.Second, control.ReplicaReady)
	if _, err := f.broker.Inspect(t.Context(), queue.Name); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("the queue is still there (%v)", err)
	}
	if left, err := f.store.Sessions.Uncleared(t.Context(), f.now, 10); err != nil || len(left) != 0 {
		t.Errorf("it is looked at again and again: %v, %v", left, err)
	}
}
