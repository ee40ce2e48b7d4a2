package operator_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// TestSilentUser: the queue of somebody who has not read for very long is full. The others go on talking and joining,
// and when it reads at last it gets a sync: it knows that it missed something, and who is there now.
func TestSilentUser(t *testing.T) {
	session := fleet.NewSession(t)
	silent, ann := joinAs(t, session, "silent"), joinAs(t, session, "ann")
	b := openBroker(t)
	fill(t, b, message.UserQueue(control.SessionID(session), "silent").Name)

	id, err := ann.say(t.Context(), "can you all hear me?")
	if err != nil {
		t.Fatalf("nobody can talk: %v", err)
	}
	joinAs(t, session, "ben")
	expectMessage(t, ann, func(m harness.Message) bool { return m.ID == id })

	var state message.SyncData
	last := expectMessage(t, silent, func(m harness.Message) bool { return m.Type == message.UserTypeSync })
	if err := json.Unmarshal(last.Data, &state); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(state.Users, func(u message.User) bool { return u.ID == "ben" }) {
		t.Errorf("the sync knows only %+v", state.Users)
	}
}

// fill leaves no room in a queue.
func fill(t *testing.T, b broker.Broker, queue string) {
	t.Helper()
	const senders = 64
	ended := make(chan error, senders)
	for range senders {
		go func() {
			for {
				m := broker.Message{ID: control.NewID(), Type: "unread", Time: time.Now(), Body: []byte(`{}`)}
				if err := b.Send(t.Context(), queue, m); err != nil {
					ended <- err
					return
				}
			}
		}()
	}
	for range senders {
		if err := <-ended; !errors.Is(err, broker.ErrFull) {
			t.Fatal(err)
		}
	}
}

// expectMessage reads until a message comes that match is true of.
func expectMessage(t *testing.T, reader member, match func(harness.Message) bool) harness.Message {
	t.Helper()
	var found harness.Message
	testkit.Eventually(t, func() error {
		for {
			messages, err := reader.inbox.Poll(t.Context(), time.Second, 256)
			if err != nil {
				return err
			}
			if at := slices.IndexFunc(messages, match); at >= 0 {
				found = messages[at]
				return nil
			}
			if len(messages) == 0 {
				return errors.New("there is no such message")
			}
		}
	})
	return found
}
