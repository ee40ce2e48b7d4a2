package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// TestRestAPI_DiesInMidPoll kills the replica that a user polls, while the poll waits and messages arrive. The user goes
// on at the other one and misses nothing.
func TestRestAPI_DiesInMidPoll(t *testing.T) {
	session := fleet.NewSession(t)
	first, other := fleet.API.Only(0), fleet.API.Only(1)
	sender, err := other.Join(t.Context(), session, "sender")
	if err != nil {
		t.Fatal(err)
	}
	joined, err := other.Join(t.Context(), session, "reader")
	if err != nil {
		t.Fatal(err)
	}
	inbox := harness.NewInbox(first, session, "reader", joined.Token)
	reader := &unluckyReader{inbox: inbox, seen: map[string]int{}}
	const count = 60
	send := func(from, to int) {
		for n := from; n < to; n++ {
			if _, err := other.Send(t.Context(), session, "sender", sender.Token, "number", n, ""); err != nil {
				t.Fatalf("send number %d: %v", n, err)
			}
		}
	}
	send(0, count/3)
	readUntil(t, reader, count/6)
	polling := make(chan error, 1)
	go func() {
		for { // until the replica dies in one of these
			if err := inbox.Lose(t.Context(), 10*time.Second, 5); err != nil {
				polling <- err
				return
			}
		}
	}()
	send(count/3, count/2)
	fleet.RestAPIs[0].Kill()
	t.Cleanup(func() {
		if err := fleet.RestAPIs[0].Start(context.Background()); err != nil {
			t.Errorf("restart the replica: %v", err)
		}
	})
	<-polling
	send(count/2, count)
	reader.inbox = harness.NewInbox(other, session, "reader", joined.Token) // without the cursor of the other one
	readUntil(t, reader, count)
}

// readUntil polls until number next-1 has been read.
func readUntil(t *testing.T, r *unluckyReader, next int) {
	t.Helper()
	testkit.Eventually(t, func() error {
		messages, err := r.inbox.Poll(t.Context(), 100*time.Millisecond, 5)
		if err := ignoreTakeover(err); err != nil {
			return err
		}
		if err := r.read(messages); err != nil {
			t.Fatal(err)
		}
		if r.next < next {
			return fmt.Errorf("%d of %d messages were read", r.next, next)
		}
		return nil
	})
}

// TestWrapper_DiesAmongPublishes kills a Wrapper while many users of few sessions publish for the first time. Each offer
// is answered once and each stream is announced once, and all media flows.
func TestWrapper_DiesAmongPublishes(t *testing.T) {
	const sessions, each = 3, 2
	var calls [][]*harness.User
	for range sessions {
		session := fleet.NewSession(t)
		var users []*harness.User
		for n := range each {
			users = append(users, joinSilently(t, session, fmt.Sprintf("user-%d", n)))
		}
		calls = append(calls, users)
	}
	for _, users := range calls {
		for _, u := range users {
			u.Publish()
		}
	}
	testkit.Eventually(t, func() error { // some are through, others in the middle of it
		if !has(calls[0][0], "answer", nil) && !has(calls[1][0], "answer", nil) {
			return fmt.Errorf("nobody has an answer")
		}
		return nil
	})
	killForTheTest(t, fleet.Wrappers[1])
	for _, users := range calls {
		expectMedia(t, users...)
		for _, u := range users {
			if got := count(u, "answer", nil); got != 1 {
				t.Errorf("%s of %s was answered %d times", u.ID, u.Session, got)
			}
			for _, other := range users {
				if got := count(u, "stream-added", streamOf(other.ID)); got != 1 {
					t.Errorf("%s of %s was told %d times of a stream of %s", u.ID, u.Session, got, other.ID)
				}
			}
		}
		expectNoFailures(t, users...)
	}
}

// count is how many messages of a type with ids of their own satisfy match (nil: any).
func count(u *harness.User, kind string, match func(harness.Message) bool) int {
	n := 0
	for _, m := range u.Messages() {
		if m.Type == kind && (match == nil || match(m)) {
			n++
		}
	}
	return n
}

// streamOf matches messages about a stream of a user.
func streamOf(user string) func(harness.Message) bool {
	return func(m harness.Message) bool {
		var data struct {
			Stream struct {
				User string `json:"user"`
			} `json:"stream"`
		}
		return json.Unmarshal(m.Data, &data) == nil && data.Stream.User == user
	}
}
