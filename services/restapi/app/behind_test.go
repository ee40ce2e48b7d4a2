package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/testkit"
)

// fill leaves no room in a user's queue.
func (f *fleet) fill(session, user string) {
	f.tb.Helper()
	queue := message.UserQueue(control.SessionID(session), control.UserID(user)).Name
	var err error
	for err == nil {
		err = f.broker.Send(context.Background(), queue, broker.Message{ID: "unread", Type: "unread", Body: []byte("{}")})
	}
	if !errors.Is(err, broker.ErrFull) {
		f.tb.Fatal(err)
	}
}

// Somebody who does not read keeps nobody from talking to the others, and its loss is put on record.
func TestSend_OneQueueIsFull(t *testing.T) {
	f := newFleet(t, 1, nil)
	session := f.session()
	f.user(session, "ann")
	bob, bobToken := f.user(session, "bob")
	f.poll(bobToken, bob, "")
	f.fill(session, "ann")
	sent := f.must(http.StatusAccepted, bobToken, http.MethodPost, bob+"/messages",
		object{"type": "chat", "data": "anybody there?"})
	testkit.Eventually(t, func() error {
		if len(f.wrapper.got(message.TypeQueueFull)) != 1 {
			return errors.New("nobody was told of the full queue")
		}
		return nil
	})
	var message struct{ ID string }
	sent.decode(t, &message)
	read := f.poll(bobToken, bob, "wait=5s")
	if last := read.Messages[len(read.Messages)-1]; last.ID != message.ID {
		t.Errorf("bob got %+v, and not %s", read.Messages, message.ID)
	}
	// A message to her alone is refused: the sender has to know.
	f.problem(f.call(bobToken, http.MethodPost, bob+"/messages",
		object{"type": "chat", "data": "ann?", "to": "ann"}), http.StatusServiceUnavailable, "unavailable")
}

// Who lost something gets a sync as soon as it reads, and not before.
func TestPoll_BringsASyncToWhoIsBehind(t *testing.T) {
	f := newFleet(t, 1, nil)
	session := f.session()
	ann, annToken := f.user(session, "ann")
	id := control.SessionID(session)
	err := errors.Join(f.store.Presence.Begin(t.Context(), id, "ann", time.Now()),
		f.store.Presence.MarkBehind(t.Context(), id, []control.UserID{"ann"}))
	if err != nil {
		t.Fatal(err)
	}
	f.poll(annToken, ann, "")
	testkit.Eventually(t, func() error {
		for _, m := range f.wrapper.got(message.TypeSync) {
			var presence message.Presence
			if err := json.Unmarshal(m.Body, &presence); err != nil {
				return err
			}
			if presence.User == "ann" && presence.Join != "" {
				return nil
			}
		}
		return errors.New("no sync was asked for")
	})
}

// A session whose queue is gone, because it ends or its queue is being made again, does not keep others from their sync.
func TestPoll_BringsASyncAlthoughAnotherCannotBeAsked(t *testing.T) {
	f := newFleet(t, 1, nil)
	for _, gone := range []bool{true, false} {
		session := f.session()
		path, token := f.user(session, "ann")
		id := control.SessionID(session)
		err := errors.Join(f.store.Presence.Begin(t.Context(), id, "ann", time.Now()),
			f.store.Presence.MarkBehind(t.Context(), id, []control.UserID{"ann"}))
		if gone {
			err = errors.Join(err, f.broker.DeleteQueue(t.Context(), message.SessionQueue(id).Name))
		}
		if err != nil {
			t.Fatal(err)
		}
		f.poll(token, path, "")
	}
	testkit.Eventually(t, func() error {
		if len(f.wrapper.got(message.TypeSync)) == 0 {
			return errors.New("no sync was asked for")
		}
		return nil
	})
}
