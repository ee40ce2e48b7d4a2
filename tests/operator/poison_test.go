package operator_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// TestPoison puts messages on a session's queue that nobody can handle: one that kills each of its consumers, one that
// cannot be read, one of a type that nobody knows, and one whose handler fails again and again. Each ends in the
// dead-letter queue and says why; the call in the session goes on, and so do its requests.
func TestPoison(t *testing.T) {
	session := fleet.NewSession(t)
	ann, ben := harness.Join(t, fleet.API, session, "ann"), harness.Join(t, fleet.API, session, "ben")
	ann.Publish()
	expectMedia(t, ann, ben)
	b := openBroker(t)
	t.Cleanup(func() { _ = b.DeleteQueue(context.Background(), broker.DeadLetterQueue) })

	killItsConsumers(t, b, session, "deadly")
	send(t, b, session, "unreadable", message.TypeJoin, `{"user":`)
	send(t, b, session, "unknown", "of-a-later-release", `{}`)
	// The queue of this user is not what it should be, and its join cannot mend that.
	cursed := message.UserQueue(control.SessionID(session), "cursed")
	cursed.MaxLength = 1
	if err := b.DeclareQueue(t.Context(), cursed); err != nil {
		t.Fatal(err)
	}
	send(t, b, session, "failing", message.TypeJoin, `{"user":"cursed"}`)

	expectGivenUp(t, b, message.SessionQueue(control.SessionID(session)).Name, map[string]givenUp{
		"deadly": {maxAttempts, fmt.Sprint(maxAttempts)}, "unreadable": {1, "cannot be read"}, "unknown": {1, "is not known"},
		"failing": {maxAttempts, "exists with other settings"},
	})
	expectMedia(t, ann, ben)
	expectReplay(t, b, session, cursed.Name)
	if _, err := joinAs(t, session, "late").say(t.Context(), "all is well"); err != nil {
		t.Error(err)
	}
}

// expectReplay takes the cause of a failure away and has the message handled after all, as an operator does.
func expectReplay(t *testing.T, b broker.Broker, session, cause string) {
	t.Helper()
	if listed := operate(t, 0, "dead", "ls"); !strings.Contains(listed, "failing") || !strings.Contains(listed, session) {
		t.Errorf("dead ls:\n%s", listed)
	}
	if err := b.DeleteQueue(t.Context(), cause); err != nil {
		t.Fatal(err)
	}
	operate(t, 0, "dead", "replay", "failing")
	st := openStore(t)
	testkit.Eventually(t, func() error {
		sess, err := st.Sessions.Get(t.Context(), control.SessionID(session))
		if err == nil && (sess.User("cursed") == nil || dead(t, b) != 3) {
			err = fmt.Errorf("%d users, %d dead letters", len(sess.Users), dead(t, b))
		}
		return err
	})
	operate(t, 0, "dead", "drop", "--all")
	if got := dead(t, b); got != 0 {
		t.Errorf("%d dead letters are left", got)
	}
}

// expectMedia waits until receiver gets new video of sender.
func expectMedia(t *testing.T, sender, receiver *harness.User) {
	t.Helper()
	before := receiver.Received()
	testkit.Eventually(t, func() error {
		if got := receiver.Received() - before; got < 50 {
			return fmt.Errorf("%d packets; failures %v, %v", got, receiver.Failures(), sender.Failures())
		}
		return nil
	})
}

// send puts a message on the session's queue, as a REST replica does.
func send(t *testing.T, b broker.Broker, session, id, kind, body string) {
	t.Helper()
	err := b.Send(t.Context(), message.SessionQueue(control.SessionID(session)).Name, broker.Message{
		ID: id, Type: kind, Session: session, Time: time.Now(), Version: message.Version, Body: []byte(body),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// killItsConsumers has consumers die of a message while there are no others, as often as it may be tried. What else
// comes meanwhile is left to the Wrappers, which are back in the end.
func killItsConsumers(t *testing.T, b broker.Broker, session, id string) {
	t.Helper()
	queue := message.SessionQueue(control.SessionID(session)).Name
	for _, w := range fleet.Wrappers {
		w.Kill()
	}
	testkit.Eventually(t, func() error { // a message sent to what is dead already would be a try of its own
		info, err := b.Inspect(t.Context(), queue)
		if err == nil && info.Consumers > 0 {
			err = fmt.Errorf("%d consumers", info.Consumers)
		}
		return err
	})
	send(t, b, session, id, message.TypeSync, `{}`)
	for range maxAttempts {
		taken := make(chan struct{}, 1)
		consumer, err := b.Subscribe(t.Context(), queue, broker.SubscribeOptions{Concurrency: 1, MaxAttempts: maxAttempts},
			func(ctx context.Context, d broker.Delivery) error {
				if d.ID != id {
					return broker.Postpone(errors.New("not for us"))
				}
				taken <- struct{}{}
				<-ctx.Done()
				return nil
			})
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-taken:
		case <-time.After(20 * time.Second):
			t.Fatal("no consumer gets it any more")
		}
		dying, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if err := consumer.Close(dying); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("the consumer ended well: %v", err)
		}
		cancel()
	}
	for _, w := range fleet.Wrappers {
		if err := w.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// givenUp is how a message is to end.
type givenUp struct {
	attempts int
	reason   string // a part of it
}

// expectGivenUp waits until exactly these messages, by id, lie in the dead-letter queue.
func expectGivenUp(t *testing.T, b broker.Broker, queue string, want map[string]givenUp) {
	t.Helper()
	testkit.Eventually(t, func() error {
		if got := dead(t, b); got != len(want) {
			return fmt.Errorf("%d messages were given up", got)
		}
		return nil
	})
	letters, err := b.OpenMailbox(t.Context(), broker.DeadLetterQueue, len(want))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = letters.Close() }()
	for range want {
		var m broker.MailboxDelivery
		select {
		case m = <-letters.Deliveries():
		case <-time.After(20 * time.Second):
			t.Fatal("somebody else has taken one")
		}
		expected, found := want[m.ID]
		if !found {
			t.Errorf("%s was given up: %+v", m.ID, m.Failure)
			continue
		}
		if f := m.Failure; f.Queue != queue || f.Attempts != expected.attempts || !strings.Contains(f.Reason, expected.reason) {
			t.Errorf("%s: %+v, want %+v", m.ID, f, expected)
		}
	}
}
