package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// dependency is something that everything else stands on, and a way for it to go away and come back.
type dependency struct {
	name string // as /readyz names it
	needs
	stop  func() error
	start func(context.Context) error
}

func TestOutage_BrokerDies(t *testing.T) {
	outage(t, dependency{"broker", everything, fleet.Broker.Kill, fleet.Broker.Restart})
}

func TestOutage_BrokerFreezes(t *testing.T) {
	outage(t, dependency{
		"broker", everything, fleet.Broker.Pause, func(context.Context) error { return fleet.Broker.Resume() },
	})
}

func TestOutage_StoreDies(t *testing.T) {
	ownStore(t)
	outage(t, dependency{"database", database, func() error { fleet.Store.Kill(); return nil }, fleet.Store.Start})
}

func TestOutage_StoreFreezes(t *testing.T) {
	ownStore(t)
	outage(t, dependency{
		"database", database, fleet.Store.Pause, func(context.Context) error { return fleet.Store.Resume() },
	})
}

func ownStore(t *testing.T) {
	t.Helper()
	if fleet.Store == nil {
		t.Skip("the database is not ours to stop")
	}
}

// outage is a call during which something goes away that everything else stands on. Not a packet of media is lost;
// requests are refused meanwhile, in time, with 503; services stay alive and say what they lack. Afterwards everything
// works again at once, what happened meanwhile included, and every message that was acknowledged, before, meanwhile or
// after, arrives once and in order.
func outage(t *testing.T, gone dependency) {
	t.Helper()
	session := fleet.NewSession(t)
	users := join(t, session, "ann", "ben")
	waiting, publisher := joinIdle(t, session, "waiting"), joinIdle(t, session, "publisher")
	offer := newOffer(t)
	victim := newVictim(t)
	expectMedia(t, users...)
	talk := startTalking(users[0])
	making := startMaking(t)
	talk.waitForMore(t)
	poll := startPoll(t, waiting)
	missing := countMissing(users)

	if err := gone.stop(); err != nil {
		t.Fatal(err)
	}
	back := sync.OnceValue(func() error { return gone.start(context.Background()) })
	t.Cleanup(func() { _ = back() })
	expectRefusals(t, gone.needs, victim)
	expectPublished(t, publisher, offer, http.StatusServiceUnavailable)
	expectNotReady(t, gone.name)
	expectAlive(t)
	poll.expectEnd(t)
	expectMedia(t, users...)
	if err := back(); err != nil {
		t.Fatal(err)
	}

	began := time.Now()
	expectReady(t)
	t.Logf("all services were ready %s after the %s was back", time.Since(began), gone.name)
	insistOn(t, func(ctx context.Context) error { return insist(ctx, session, "cleo") })
	users = append(users, join(t, session, "dan")...)
	expectPublished(t, publisher, offer, http.StatusOK)
	t.Logf("joins and offers worked %s after the %s was back", time.Since(began), gone.name)
	talk.waitForMore(t)
	want := talk.stop()
	making.expectMade(t)
	testkit.Eventually(t, func() error { return arrived(want, numbers(users[1], "ann")) })
	expectMedia(t, users...)
	if lost := countMissing(users) - missing; lost > 0 {
		t.Errorf("%d packets were lost", lost)
	}
	for _, u := range users {
		if has(u, "reconnect", nil) || has(u, "disconnected", nil) || has(u, "user-left", nil) {
			t.Errorf("%s was told of a loss, but no media server was lost and nobody left", u.ID)
		}
	}
}

// countMissing is how many packets did not arrive at users so far.
func countMissing(users []*harness.User) int {
	sum := 0
	for _, u := range users {
		sum += u.Missing()
	}
	return sum
}

// joinIdle brings a user into a session that does nothing by itself.
func joinIdle(t *testing.T, session, id string) member {
	t.Helper()
	joined, err := fleet.API.Join(t.Context(), session, id)
	if err != nil {
		t.Fatal(err)
	}
	return member{session: session, id: id, token: joined.Token}
}

// newVictim is the only user of a session that may not be there any more at the end: a request that was refused because
// it could not be confirmed may have been taken.
func newVictim(t *testing.T) member {
	t.Helper()
	session, err := fleet.API.CreateSession(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fleet.API.CloseSession(context.Background(), session) })
	return joinIdle(t, session, "victim")
}

// expectPublished offers to publish, always the same, and checks what comes of it.
func expectPublished(t *testing.T, m member, offer string, want int) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"sdp": offer, "seq": 1, "epoch": 1})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := fleet.API.Raw(t.Context(), harness.Request{
		Method: http.MethodPut, Path: fmt.Sprintf("/v1/sessions/%s/users/%s/publish", m.session, m.id), Bearer: m.token,
		Body: string(body), Header: map[string]string{"Prefer": "wait=10"},
	})
	if err != nil || answer.Status != want {
		t.Errorf("an offer got %d %s %v, want %d", answer.Status, answer.Body, err, want)
	}
}

// member is a user without a client.
type member struct{ session, id, token string }

// pendingPoll is a poll that waits.
type pendingPoll struct{ ended chan error }

// startPoll reads everything that waits for a user and then waits for more.
func startPoll(t *testing.T, m member) pendingPoll {
	t.Helper()
	inbox := harness.NewInbox(fleet.API, m.session, m.id, m.token)
	testkit.Eventually(t, func() error {
		messages, err := inbox.Poll(t.Context(), 0, 256)
		if err == nil && len(messages) > 0 {
			err = errors.New("there are messages")
		}
		return err
	})
	p := pendingPoll{make(chan error, 1)}
	go func() {
		_, err := inbox.Poll(context.Background(), 3*time.Second, 256)
		p.ended <- err
	}()
	return p
}

// expectEnd checks that the poll has come to an end: with nothing, or with word of when to try again.
func (p pendingPoll) expectEnd(t *testing.T) {
	t.Helper()
	err := <-p.ended
	var problem *harness.ProblemError
	if err != nil && (!errors.As(err, &problem) || problem.Status != http.StatusServiceUnavailable) {
		t.Errorf("the poll that waited ended with %v", err)
	}
}

func insistOn(t *testing.T, try func(context.Context) error) {
	t.Helper()
	if err := try(t.Context()); err != nil {
		t.Error(err)
	}
}

// talk is a user that sends numbered messages, each until it is acknowledged or refused, one after the other.
type talk struct {
	cancel context.CancelFunc
	done   chan struct{}
	taken  chan []int // the one list of those that were acknowledged
}

func startTalking(sender *harness.User) *talk {
	ctx, cancel := context.WithCancel(context.Background())
	k := &talk{cancel: cancel, done: make(chan struct{}), taken: make(chan []int, 1)}
	k.taken <- nil
	go func() {
		defer close(k.done)
		for n := 0; ctx.Err() == nil; n++ {
			short, end := context.WithTimeout(ctx, 10*time.Second)
			if _, err := sender.Send(short, "number", n, ""); err == nil {
				k.taken <- append(<-k.taken, n)
			}
			end()
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return k
}

func (k *talk) acknowledged() []int {
	list := <-k.taken
	defer func() { k.taken <- list }()
	return slices.Clone(list)
}

// waitForMore waits until more has been acknowledged.
func (k *talk) waitForMore(t *testing.T) {
	t.Helper()
	before := len(k.acknowledged())
	testkit.Eventually(t, func() error {
		if len(k.acknowledged()) < before+5 {
			return errors.New("no more messages are taken")
		}
		return nil
	})
}

// stop ends the talking and gives what was acknowledged.
func (k *talk) stop() []int {
	k.cancel()
	<-k.done
	return k.acknowledged()
}

// arrived is nil if got holds all of want, in order, and nothing twice. What was not acknowledged may be in it as well, and
// may have been overtaken: its sender did not wait for it.
func arrived(want, got []int) error {
	seen := map[int]bool{}
	var acknowledged []int
	for _, n := range got {
		if seen[n] {
			return fmt.Errorf("number %d has arrived twice: %v", n, got)
		}
		if seen[n] = true; slices.Contains(want, n) {
			acknowledged = append(acknowledged, n)
		}
	}
	if !slices.Equal(want, acknowledged) {
		return fmt.Errorf("of those that were acknowledged, %d have arrived: %v; want %v", len(acknowledged), got, want)
	}
	return nil
}
