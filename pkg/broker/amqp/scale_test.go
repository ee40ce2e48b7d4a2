package amqp_test

import (
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
)

// TestBroker_MoreMailboxesThanOneConnectionHolds opens them all, and every one works.
func TestBroker_MoreMailboxesThanOneConnectionHolds(t *testing.T) {
	const mailboxes, openers = 1050, 16
	b := connected(t)
	queue := declare(t, b)
	var group sync.WaitGroup
	opened := make(chan broker.Mailbox, mailboxes)
	turns := make(chan struct{}, openers)
	for range mailboxes {
		turns <- struct{}{}
		group.Go(func() {
			defer func() { <-turns }()
			m, err := b.OpenMailbox(t.Context(), queue, 1)
			if err != nil {
				t.Error(err)
				return
			}
			opened <- m
		})
	}
	group.Wait()
	close(opened)
	// The queue serves its consumers in turn, and each holds one message: all get one.
	for range len(opened) {
		group.Go(func() {
			if err := b.Send(t.Context(), queue, broker.Message{ID: control.NewID()}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if t.Failed() {
		return // there is not one message for each
	}
	deadline := time.After(30 * time.Second)
	for m := range opened {
		select {
		case _, ok := <-m.Deliveries():
			if !ok {
				t.Fatal("mailbox lost")
			}
		case <-deadline:
			t.Fatalf("nothing came, %d mailboxes left", len(opened))
		}
	}
}
