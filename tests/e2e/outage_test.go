package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// TestBroker_DiesDuringACall kills RabbitMQ and starts it again.
func TestBroker_DiesDuringACall(t *testing.T) {
	outage(t, func() {
		if err := fleet.Broker.Kill(); err != nil {
			t.Fatal(err)
		}
	}, fleet.Broker.Restart)
}

// TestStore_DiesDuringACall kills the database and starts it again.
func TestStore_DiesDuringACall(t *testing.T) {
	if fleet.Store == nil {
		t.Skip("the database is not ours to kill")
	}
	outage(t, fleet.Store.Kill, fleet.Store.Start)
}

// outage is a call during which something goes away that everything else stands on. Media goes on; requests are refused
// with 503 meanwhile; afterwards everything works again, and every message that was acknowledged, before, meanwhile or
// after, arrives once and in order.
func outage(t *testing.T, stop func(), start func(context.Context) error) {
	t.Helper()
	session := newSession(t)
	users := join(t, session, "ann", "ben")
	expectMedia(t, users...)
	talk := startTalking(users[0])
	talk.waitForMore(t)

	stop()
	started := false
	t.Cleanup(func() {
		if !started {
			_ = start(context.Background())
		}
	})
	expectMedia(t, users...)
	expectUnavailable(t)
	if err := start(t.Context()); err != nil {
		t.Fatal(err)
	}
	started = true

	expectMedia(t, users...)
	insistOn(t, func(ctx context.Context) error { return insist(ctx, session, "cleo") })
	talk.waitForMore(t)
	want := talk.stop()
	testkit.Eventually(t, func() error { return isSubsequence(want, numbers(users[1], "ann")) })
	users = append(users, join(t, session, "dan")...)
	expectMedia(t, users...)
}

// expectUnavailable waits until requests are refused as they should be: with 503 and word of when to try again.
func expectUnavailable(t *testing.T) {
	t.Helper()
	testkit.Eventually(t, func() error {
		_, err := fleet.API.CreateSession(t.Context(), "")
		var problem *harness.ProblemError
		switch {
		case err == nil:
			return errors.New("a session was made")
		case !errors.As(err, &problem), problem.Status != http.StatusServiceUnavailable:
			return fmt.Errorf("not refused as it should be: %w", err)
		default:
			return nil
		}
	})
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

// isSubsequence is nil if got holds all of want, in order and without repetition. What was not acknowledged may be in
// it as well.
func isSubsequence(want, got []int) error {
	if !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
		return fmt.Errorf("not in order, or repeated: %v", got)
	}
	for _, n := range want {
		if !slices.Contains(got, n) {
			return fmt.Errorf("number %d was acknowledged and has not arrived; %d of %d have", n, len(got), len(want))
		}
	}
	return nil
}
