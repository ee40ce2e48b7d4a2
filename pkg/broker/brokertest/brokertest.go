// Package brokertest is the contract of package broker as tests: each adapter runs them, so that what passes in memory
// passes on RabbitMQ.
package brokertest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
)

// Open gives a handle on the broker under test and closes it when the test ends. Two handles see the same queues; where
// there are connections, each has its own.
type Open func(tb testing.TB) broker.Broker

// silence is how long a test watches that nothing comes.
const silence = 100 * time.Millisecond

// patience bounds the wait for what must come.
const patience = 20 * time.Second

// fixture is what a test of the contract works with.
type fixture struct {
	*testing.T
	broker broker.Broker
	other  broker.Broker // a second handle, for takeovers
}

// Run runs the whole contract.
func Run(t *testing.T, open Open) {
	t.Helper()
	groups := [][]contract{topologyContract(), publishContract(), subscribeContract(), mailboxContract()}
	for _, group := range groups {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) { c.check(&fixture{T: t, broker: open(t), other: open(t)}) })
		}
	}
}

// contract is one promise.
type contract struct {
	name  string
	check func(*fixture)
}

// queue declares a queue with a name of its own.
func (f *fixture) queue(q broker.Queue) string {
	f.Helper()
	q.Name = "test.queue." + control.NewID()
	f.must(f.broker.DeclareQueue(f.Context(), q))
	f.Cleanup(func() { _ = f.broker.DeleteQueue(context.Background(), q.Name) })
	return q.Name
}

// exchange declares an exchange with queues bound to it.
func (f *fixture) exchange(queues ...string) string {
	f.Helper()
	name := "test.exchange." + control.NewID()
	f.must(f.broker.DeclareExchange(f.Context(), name))
	f.Cleanup(func() { _ = f.broker.DeleteExchange(context.Background(), name) })
	for _, q := range queues {
		f.must(f.broker.Bind(f.Context(), q, name))
	}
	return name
}

// send puts messages with these bodies on queue.
func (f *fixture) send(queue string, bodies ...string) {
	f.Helper()
	for _, body := range bodies {
		f.must(f.broker.Send(f.Context(), queue, message(body)))
	}
}

// mailbox opens a mailbox that is closed with the test at the latest.
func (f *fixture) mailbox(b broker.Broker, queue string, prefetch int) broker.Mailbox {
	f.Helper()
	m, err := b.OpenMailbox(f.Context(), queue, prefetch)
	f.must(err)
	f.Cleanup(func() { _ = m.Close() })
	return m
}

// subscribe starts a subscription that is closed with the test at the latest.
func (f *fixture) subscribe(queue string, o broker.SubscribeOptions, h broker.Handler) broker.Subscription {
	f.Helper()
	s, err := f.broker.Subscribe(f.Context(), queue, o, h)
	f.must(err)
	f.Cleanup(func() { _ = f.closeIn(s, patience) })
	return s
}

func (f *fixture) closeIn(s broker.Subscription, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return s.Close(ctx)
}

// expect reads messages with exactly these bodies, in this order.
func (f *fixture) expect(m broker.Mailbox, bodies ...string) []broker.MailboxDelivery {
	f.Helper()
	var got []broker.MailboxDelivery
	for _, want := range bodies {
		d := receive(f, m.Deliveries())
		if string(d.Body) != want {
			f.Fatalf("got message %s, want %s", d.Body, want)
		}
		got = append(got, d)
	}
	return got
}

// expectNothing watches a mailbox that must stay empty.
func (f *fixture) expectNothing(m broker.Mailbox) {
	f.Helper()
	select {
	case d, ok := <-m.Deliveries():
		f.Fatalf("got message %s (open %t), want none", d.Body, ok)
	case <-time.After(silence):
	}
}

// expectContents checks everything that is in a queue, and leaves it there.
func (f *fixture) expectContents(queue string, bodies ...string) {
	f.Helper()
	m := f.mailbox(f.broker, queue, len(bodies)+1)
	f.expect(m, bodies...)
	f.expectNothing(m)
	f.must(m.Close())
}

func (f *fixture) expectReady(queue string, messages int) {
	f.Helper()
	testkit.Eventually(f, func() error {
		info, err := f.broker.Inspect(f.Context(), queue)
		if err != nil {
			return err
		}
		if info.Messages != messages {
			return fmt.Errorf("%d messages are ready, want %d", info.Messages, messages)
		}
		return nil
	})
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) mustBe(err, want error) {
	f.Helper()
	if !errors.Is(err, want) {
		f.Fatalf("got error %v, want %v", err, want)
	}
}

func (f *fixture) same(got, want any) {
	f.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		f.Fatalf("difference (-want +got):\n%s", diff)
	}
}

// receive takes one value from a channel that stays open.
func receive[T any](f *fixture, values <-chan T) T {
	f.Helper()
	select {
	case v, ok := <-values:
		if !ok {
			f.Fatal("channel was closed")
		}
		return v
	case <-time.After(patience):
		f.Fatal("nothing came")
		panic("unreachable") //nolint:forbidigo // Fatal does not return
	}
}

// closed waits until a channel is closed.
func closed[T any](f *fixture, values <-chan T) {
	f.Helper()
	deadline := time.After(patience)
	for {
		select {
		case _, ok := <-values:
			if !ok {
				return
			}
		case <-deadline:
			f.Fatal("channel was not closed")
		}
	}
}

// message is a valid message with a body.
func message(body string) broker.Message {
	return broker.Message{
		ID: control.NewID(), Type: "test", Session: "s1", Time: time.Now().UTC().Truncate(time.Millisecond),
		Version: 1, Body: []byte(body),
	}
}

// numbered is the bodies from..to.
func numbered(from, to int) []string {
	var bodies []string
	for i := from; i <= to; i++ {
		bodies = append(bodies, fmt.Sprint(i))
	}
	return bodies
}

// isOrNil is errors.Is, where no error is wanted too.
func isOrNil(err, want error) bool {
	if want == nil {
		return err == nil
	}
	return errors.Is(err, want)
}
