package e2e_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// TestWrappers_KilledInTheMiddleOfNegotiations kills one Wrapper after the other, and then both, each time while users of
// a session join and publish: at another point of it each time. Each offer is answered once, each user and stream is
// announced once, and all media flows.
func TestWrappers_KilledInTheMiddleOfNegotiations(t *testing.T) {
	w := fleet.Wrappers
	rounds := []struct {
		victims []*harness.Process
		after   string // the message that the first user has got when they die
	}{
		{w[:1], "joined"}, {w[1:], "user-joined"}, {w[:1], "answer"}, {w[1:], "offer"}, {w, "joined"}, {w, "answer"},
	}
	var calls [][]*harness.User
	for _, round := range rounds {
		session := fleet.NewSession(t)
		var users []*harness.User
		for n := range 2 {
			u := joinSilently(t, session, fmt.Sprintf("user-%d", n))
			users = append(users, u)
			u.Publish()
		}
		testkit.Eventually(t, func() error {
			if !has(users[0], round.after, nil) {
				return fmt.Errorf("%s of %s has no %s", users[0].ID, session, round.after)
			}
			return nil
		})
		killAndRestart(t, round.victims...)
		calls = append(calls, users)
	}
	for _, users := range calls {
		expectMedia(t, users...)
		for _, u := range users {
			expectOnceEach(t, u, users)
		}
		expectNoFailures(t, users...)
	}
}

// killAndRestart kills processes at once and returns when they are ready again.
func killAndRestart(t *testing.T, victims ...*harness.Process) {
	t.Helper()
	for _, p := range victims {
		p.Kill()
	}
	var starting sync.WaitGroup
	for _, p := range victims {
		starting.Go(func() {
			if err := p.Start(context.WithoutCancel(t.Context())); err != nil {
				t.Errorf("restart %s: %v", p.Name, err)
			}
		})
	}
	starting.Wait()
}

// expectOnceEach checks that nothing was done twice for u, who published once.
func expectOnceEach(t *testing.T, u *harness.User, users []*harness.User) {
	t.Helper()
	for _, kind := range []string{"joined", "answer"} {
		if got := count(u, kind, nil); got != 1 {
			t.Errorf("%s of %s got %d of %s", u.ID, u.Session, got, kind)
		}
	}
	for _, other := range users {
		// What was there before is in joined.
		if got := count(u, "user-joined", about(other.ID)); got > 1 {
			t.Errorf("%s of %s was told %d times that %s came", u.ID, u.Session, got, other.ID)
		}
		if got := count(u, "stream-added", streamOf(other.ID)); got > 1 {
			t.Errorf("%s of %s was told %d times of a stream of %s", u.ID, u.Session, got, other.ID)
		}
	}
}
