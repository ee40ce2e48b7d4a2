package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/orkestro/orkestro/tests/harness"
)

// TestPolling_LosesNothing polls both replicas in turn while messages are sent, and loses answers, gives up polls and
// restarts without a cursor at random. Every message arrives, in order, and what comes twice has the same id.
func TestPolling_LosesNothing(t *testing.T) {
	session := fleet.NewSession(t)
	sender := joinSilently(t, session, "sender")
	joined, err := fleet.API.Join(t.Context(), session, "reader")
	if err != nil {
		t.Fatal(err)
	}
	const count = 200
	sent := make(chan error, 1)
	go func() {
		for n := range count {
			if _, err := sender.Send(t.Context(), "number", n, ""); err != nil {
				sent <- fmt.Errorf("send number %d: %w", n, err)
				return
			}
		}
		sent <- nil
	}()
	reader := &unluckyReader{
		inbox:  harness.NewInbox(fleet.API, session, "reader", joined.Token),
		random: rand.New(rand.NewPCG(1, 2)),
		seen:   map[string]int{},
	}
	deadline := time.Now().Add(30 * time.Second)
	for reader.next < count {
		select {
		case err := <-sent:
			if err != nil {
				t.Fatal(err)
			}
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("only %d of %d messages arrived", reader.next, count)
		}
		if err := reader.poll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// unluckyReader is a client that much happens to.
type unluckyReader struct {
	inbox  *harness.Inbox
	random *rand.Rand
	seen   map[string]int // number of each message id that was read
	next   int            // the number that has to come next
}

// poll polls once, in one of the ways in which it can go wrong.
func (r *unluckyReader) poll(ctx context.Context) error {
	wait, limit := time.Duration(r.random.IntN(200))*time.Millisecond, 1+r.random.IntN(20)
	switch r.random.IntN(6) {
	case 0:
		return ignoreTakeover(r.inbox.Lose(ctx, wait, limit))
	case 1:
		r.inbox.Forget()
	case 2:
		short, cancel := context.WithTimeout(ctx, time.Duration(r.random.IntN(20))*time.Millisecond)
		defer cancel()
		if err := r.inbox.Lose(short, wait, limit); short.Err() == nil {
			return ignoreTakeover(err)
		}
		return nil
	}
	messages, err := r.inbox.Poll(ctx, wait, limit)
	if err != nil {
		return ignoreTakeover(err)
	}
	return r.read(messages)
}

// read checks one batch: after what was read before come only messages that continue it.
func (r *unluckyReader) read(messages []harness.Message) error {
	for _, m := range messages {
		var data struct {
			Data int `json:"data"`
		}
		if m.Type != "message" {
			continue
		}
		if err := json.Unmarshal(m.Data, &data); err != nil {
			return err
		}
		if number, again := r.seen[m.ID]; again {
			if number != data.Data {
				return fmt.Errorf("message %s is number %d, and was %d before", m.ID, data.Data, number)
			}
			continue
		}
		if data.Data != r.next {
			return fmt.Errorf("message %s has number %d, %d had to come next", m.ID, data.Data, r.next)
		}
		r.seen[m.ID] = data.Data
		r.next++
	}
	return nil
}

// ignoreTakeover drops the 409 that a poll gets when a newer one takes over from it.
func ignoreTakeover(err error) error {
	var problem *harness.ProblemError
	if errors.As(err, &problem) && problem.Status == http.StatusConflict {
		return nil
	}
	return err
}
