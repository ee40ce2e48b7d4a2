package session_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// fill leaves no room in a user's queue.
func (w *world) fill(user control.UserID) {
	w.tb.Helper()
	queue := message.UserQueue(sid, user)
	var err error
	for err == nil {
		err = w.broker.Send(w.ctx, queue.Name, broker.Message{ID: "unread", Type: "unread", Body: []byte("{}")})
	}
	if !errors.Is(err, broker.ErrFull) {
		w.tb.Fatal(err)
	}
}

// expectBehind checks which users are marked.
func (w *world) expectBehind(want ...control.UserID) {
	w.tb.Helper()
	var all []store.UserKey
	for _, user := range w.session().Users {
		all = append(all, store.UserKey{Session: sid, User: user.ID})
	}
	marked, err := w.store.Presence.Behind(w.ctx, all)
	must(w.tb, err)
	var got []control.UserID
	for _, key := range marked {
		got = append(got, key.User)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		w.tb.Fatalf("behind are %v, want %v", got, want)
	}
}

// purge reads everything from a user's queue, which may be more than a mailbox holds.
func (w *world) purge(user control.UserID) {
	w.tb.Helper()
	mailbox, err := w.broker.OpenMailbox(w.ctx, message.UserQueue(sid, user).Name, message.UserQueue(sid, user).MaxLength)
	must(w.tb, err)
	defer func() { _ = mailbox.Close() }()
	info, err := w.broker.Inspect(w.ctx, message.UserQueue(sid, user).Name)
	must(w.tb, err)
	if info.Messages > 0 {
		w.tb.Fatalf("%d messages more than the queue has room for", info.Messages)
	}
	for range len(mailbox.Deliveries()) {
		d := <-mailbox.Deliveries()
		must(w.tb, d.Ack())
	}
}

// What a user misses while its queue is full comes as a sync when there is room again.
func TestFullQueue_UserGetsASync(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	w.join("a")
	b := w.join("b")
	w.fill("b")
	w.join("c") // b is not told
	w.expectBehind("b")

	must(t, w.service[1].Sync(w.ctx, request("early"), b)) // there is still no room
	w.expectBehind("b")

	w.purge("b")
	must(t, w.service[1].Sync(w.ctx, request("late"), b))
	w.expectBehind()
	told := w.told("b")
	if len(told) != 1 || told[0].Type != message.UserTypeSync {
		t.Fatalf("told %+v", told)
	}
	var sync message.SyncData
	must(t, json.Unmarshal(told[0].Data, &sync))
	if len(sync.Users) != 3 {
		t.Errorf("the sync has %d users", len(sync.Users))
	}
}

// A message to one user alone, an answer here, does not get lost without a trace either.
func TestFullQueue_MessageToOne(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	a := w.join("a")
	w.join("b")
	w.told("a")
	w.fill("a")
	_, err := w.service[0].Publish(w.ctx, request("p1"), message.Publish{
		Presence: a, Epoch: 1, Seq: 1, SDP: "offer",
	})
	must(t, err)
	w.expectBehind("a")
}

// The queue has been read between the refusal and the look: nobody knows any more whose it was.
func TestFullQueue_NobodysAnyMore(t *testing.T) {
	w := newWorld(t)
	w.create(0)
	w.join("a")
	w.join("b")
	must(t, w.service[0].QueueFull(w.ctx, request("m1"), struct{}{}))
	w.expectBehind("a", "b")
}

func TestFullQueue_SessionIsGone(t *testing.T) {
	w := newWorld(t)
	must(t, w.service[0].QueueFull(w.ctx, request("m1"), struct{}{}))
}
