package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// TestBroker_LosesWhatIsInUse deletes what a session needs in the broker, one after the other: everything is made again,
// and who has missed something gets the state.
func TestBroker_LosesWhatIsInUse(t *testing.T) {
	session := fleet.NewSession(t)
	users := join(t, session, "ann", "ben")
	ann, ben := users[0], users[1]
	expectMedia(t, users...)
	b, id := openBroker(t), control.SessionID(session)

	must(t, b.DeleteQueue(t.Context(), message.SessionQueue(id).Name))
	insistOn(t, func(ctx context.Context) error { return insist(ctx, session, "cleo") })
	expectTalk(t, ann, ben, "after the queue of the session")

	syncs := count(ben, "sync", nil)
	must(t, b.DeleteQueue(t.Context(), message.UserQueue(id, "ben").Name))
	expectSyncs(t, syncs+1, ben)
	expectTalk(t, ann, ben, "after the queue of a user")

	syncs = count(ben, "sync", nil)
	must(t, b.DeleteExchange(t.Context(), message.SessionExchange(id)))
	expectTalk(t, ann, ben, "after the exchange of the session")
	expectSyncs(t, syncs+1, ben)

	users = append(users, join(t, session, "dan")...)
	expectMedia(t, users...)
	expectNoLoss(t, users...)
}

// TestBroker_ComesBackEmpty has the broker lose everything. State is the truth: all is made again from there.
func TestBroker_ComesBackEmpty(t *testing.T) {
	session := fleet.NewSession(t)
	users := join(t, session, "ann", "ben")
	expectMedia(t, users...)
	missing := countMissing(users)
	must(t, fleet.Broker.Wipe())
	must(t, fleet.Broker.Restart(t.Context()))
	began := time.Now()
	expectReady(t)
	expectTalk(t, users[0], users[1], "after the loss of everything")
	t.Logf("messages arrive %s after the broker was back", time.Since(began))
	expectSyncs(t, 1, users...)
	insistOn(t, func(ctx context.Context) error { return insist(ctx, session, "cleo") })
	users = append(users, join(t, session, "dan")...)
	expectMedia(t, users...)
	if lost := countMissing(users) - missing; lost > 0 {
		t.Errorf("%d packets were lost", lost)
	}
	expectNoLoss(t, users...)
}

// expectTalk sends to everybody until it is taken and waits until it has arrived.
func expectTalk(t *testing.T, from, to *harness.User, what string) {
	t.Helper()
	testkit.Eventually(t, func() error {
		_, err := from.Send(t.Context(), "talk", what, "")
		return err
	})
	testkit.Eventually(t, func() error {
		if !has(to, "message", func(m harness.Message) bool { return strings.Contains(string(m.Data), what) }) {
			return fmt.Errorf("%q has not arrived; failures %v", what, to.Failures())
		}
		return nil
	})
}

func expectSyncs(t *testing.T, want int, users ...*harness.User) {
	t.Helper()
	for _, u := range users {
		testkit.Eventually(t, func() error {
			if count(u, "sync", nil) < want {
				return errors.New(u.ID + " got no sync")
			}
			return nil
		})
	}
}

// expectNoLoss checks that nobody was told of the loss of a media server, or that somebody left.
func expectNoLoss(t *testing.T, users ...*harness.User) {
	t.Helper()
	for _, u := range users {
		if has(u, "reconnect", nil) || has(u, "disconnected", nil) || has(u, "user-left", nil) {
			t.Errorf("%s was told of a loss, but no media server was lost and nobody left", u.ID)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
