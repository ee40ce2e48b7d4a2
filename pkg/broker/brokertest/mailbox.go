package brokertest

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/orkestro/orkestro/pkg/broker"
)

func mailboxContract() []contract {
	return []contract{
		{"MailboxHoldsUntilAcknowledged", checkMailboxHoldsUntilAcknowledged},
		{"MailboxPrefetch", checkMailboxPrefetch},
		{"MailboxGivesBackInOldOrder", checkMailboxGivesBackInOldOrder},
		{"ExclusiveMailbox", checkExclusiveMailbox},
		{"DeletedQueueClosesMailbox", checkDeletedQueueClosesMailbox},
		{"Takeover", checkTakeover},
	}
}

func checkMailboxHoldsUntilAcknowledged(f *fixture) {
	queue := f.queue(broker.Queue{})
	f.send(queue, "1", "2", "3")
	m := f.mailbox(f.broker, queue, 10)
	held := f.expect(m, "1", "2", "3")
	f.expectReady(queue, 0)
	f.must(held[1].Ack()) // in any order
	f.must(m.Close())
	closed(f, m.Deliveries())
	if held[0].Ack() == nil {
		f.Error("a closed mailbox took an acknowledgement")
	}
	f.must(m.Close())
	f.expectContents(queue, "1", "3")
}

func checkMailboxPrefetch(f *fixture) {
	queue := f.queue(broker.Queue{})
	f.send(queue, numbered(1, 4)...)
	m := f.mailbox(f.broker, queue, 2)
	held := f.expect(m, "1", "2")
	f.expectNothing(m)
	f.must(held[0].Ack())
	f.expect(m, "3")
	f.expectNothing(m)
}

func checkMailboxGivesBackInOldOrder(f *fixture) {
	queue := f.queue(broker.Queue{})
	f.send(queue, numbered(1, 5)...)
	m := f.mailbox(f.broker, queue, 3) // 4 and 5 stay in the queue, what is unread stays in the mailbox
	f.expect(m, "1", "2")
	f.send(queue, "6")
	f.must(m.Close())
	f.expectContents(queue, numbered(1, 6)...)
}

func checkExclusiveMailbox(f *fixture) {
	queue := f.queue(broker.Queue{Exclusive: true})
	first := f.mailbox(f.broker, queue, 1)
	second := f.mailbox(f.other, queue, 10)
	f.send(queue, "1", "2")
	f.expect(first, "1")
	f.expectNothing(second)
	f.must(first.Close())
	f.expect(second, "1", "2")
}

func checkDeletedQueueClosesMailbox(f *fixture) {
	queue := f.queue(broker.Queue{})
	m := f.mailbox(f.broker, queue, 1)
	f.must(f.other.DeleteQueue(f.Context(), queue))
	closed(f, m.Deliveries())
	f.must(m.Close())
}

// checkTakeover hands a queue from mailbox to mailbox, on two handles, while messages are being published: whatever is
// acknowledged where, the acknowledged messages are all messages, once each, in order, and a mailbox gets nothing
// before the one before it is closed.
func checkTakeover(f *fixture) {
	rapid.Check(f.T, func(t *rapid.T) {
		total := rapid.IntRange(1, 30).Draw(t, "messages")
		queue := f.queue(broker.Queue{Exclusive: true})
		published := make(chan error, 1)
		go func() { published <- f.publishNumbers(queue, total) }()
		reader := &takeover{t: t, f: f, queue: queue, total: total}
		reader.run()
		if err := <-published; err != nil {
			t.Fatal(err)
		}
		if err := f.broker.DeleteQueue(f.Context(), queue); err != nil {
			t.Fatal(err)
		}
	})
}

func (f *fixture) publishNumbers(queue string, total int) error {
	for _, body := range numbered(1, total) {
		if err := f.broker.Send(f.Context(), queue, message(body)); err != nil {
			return err
		}
	}
	return nil
}

// takeover is the reader's side of the property.
type takeover struct {
	t     *rapid.T
	f     *fixture
	queue string
	total int
	acked int // the messages 1..acked are
}

func (r *takeover) run() {
	current := r.open()
	for r.acked < r.total {
		early := rapid.Bool().Draw(r.t, "openBeforeClosing")
		var next broker.Mailbox
		if early {
			next = r.open()
		}
		r.read(current)
		if early {
			r.mustBeSilent(next)
		}
		if err := current.Close(); err != nil {
			r.t.Fatal(err)
		}
		if !early {
			next = r.open()
		}
		current = next
	}
	r.mustBeSilent(current)
	if err := current.Close(); err != nil {
		r.t.Fatal(err)
	}
}

func (r *takeover) open() broker.Mailbox {
	handle := r.f.broker
	if rapid.Bool().Draw(r.t, "otherHandle") {
		handle = r.f.other
	}
	m, err := handle.OpenMailbox(r.f.Context(), r.queue, rapid.IntRange(1, 10).Draw(r.t, "prefetch"))
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

// read takes a few messages and acknowledges the first of them. A mailbox with a small prefetch gives more only after
// acknowledgements, so each is acknowledged right away until that ends.
func (r *takeover) read(m broker.Mailbox) {
	count := rapid.IntRange(1, r.total-r.acked).Draw(r.t, "acknowledge")
	for range count {
		d := r.next(m)
		if want := fmt.Sprint(r.acked + 1); string(d.Body) != want {
			r.t.Fatalf("got message %s, want %s", d.Body, want)
		}
		if err := d.Ack(); err != nil {
			r.t.Fatal(err)
		}
		r.acked++
	}
	if r.acked < r.total && rapid.Bool().Draw(r.t, "holdOne") {
		r.next(m) // read and not acknowledged: the next mailbox gets it again
	}
}

func (r *takeover) next(m broker.Mailbox) broker.MailboxDelivery {
	select {
	case d, ok := <-m.Deliveries():
		if !ok {
			r.t.Fatal("mailbox lost")
		}
		return d
	case <-time.After(patience):
		r.t.Fatal("nothing came")
	}
	return broker.MailboxDelivery{}
}

func (r *takeover) mustBeSilent(m broker.Mailbox) {
	select {
	case d, ok := <-m.Deliveries():
		r.t.Fatalf("two mailboxes are active: got message %s (open %t)", d.Body, ok)
	default:
	}
}
