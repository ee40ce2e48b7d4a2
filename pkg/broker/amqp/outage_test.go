package amqp_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/amqp"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/pkg/testkit/rabbit"
)

// TestBroker_Outage is everything that may happen to a node, which the tests share because starting one takes seconds.
func TestBroker_Outage(t *testing.T) {
	node := rabbit.Start(t)
	t.Run("Restart", func(t *testing.T) { testRestart(t, node) })
	t.Run("NotThereYet", func(t *testing.T) { testNotThereYet(t, node) })
	t.Run("Silent", func(t *testing.T) { testSilent(t, node) })
}

// testRestart kills RabbitMQ while messages are being sent and handled: what was confirmed is handled, calls during the
// outage fail soon and say why, subscriptions go on by themselves, mailboxes are lost, and a subscription whose queue
// is gone ends.
func testRestart(t *testing.T, node *rabbit.Node) {
	t.Helper()
	b := open(t, node)
	ctx := t.Context()
	durable, doomed := declare(t, b), declare(t, b)
	seen := newLedger()
	subscribe(t, b, durable, func(_ context.Context, d broker.Delivery) error {
		seen.add(string(d.Body))
		return nil
	})
	orphan := subscribe(t, b, doomed, func(context.Context, broker.Delivery) error { return nil })
	mailbox, err := b.OpenMailbox(ctx, declare(t, b), 1)
	if err != nil {
		t.Fatal(err)
	}

	sender := startSender(b, durable)
	testkit.Eventually(t, func() error { return seen.missing(sender.confirmedAtLeast(50)) })
	if err := node.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, open := <-mailbox.Deliveries(); open {
		t.Error("mailbox got a message")
	}
	checkUnavailable(t, b, durable)
	restartWithout(t, node, doomed)
	testkit.Eventually(t, b.Ready)
	<-orphan.Done()
	sender.confirmedMore(t, 50)
	confirmed := sender.stop()
	testkit.Eventually(t, func() error { return seen.missing(confirmed) })
}

// testNotThereYet opens a broker that nobody answers for yet.
func testNotThereYet(t *testing.T, node *rabbit.Node) {
	t.Helper()
	if err := node.Kill(); err != nil {
		t.Fatal(err)
	}
	b := open(t, node)
	if b.Ready() == nil {
		t.Error("ready without a node")
	}
	checkUnavailable(t, b, "test.any")
	if err := node.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, b.Ready)
	declare(t, b)
}

// testSilent stops the node without closing anything: it is noticed before the connections are, calls come back when
// their context ends, and Close comes back as well.
func testSilent(t *testing.T, node *rabbit.Node) {
	t.Helper()
	b := open(t, node)
	queue := declare(t, b)
	if err := b.Send(t.Context(), queue, broker.Message{ID: control.NewID()}); err != nil {
		t.Fatal(err)
	}
	mailbox, err := b.OpenMailbox(t.Context(), queue, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = node.Resume() })
	for _, step := range []struct {
		freeze func() error
		ready  string // what Ready says
	}{{node.Pause, "no answer"}, {node.Resume, "<nil>"}, {node.Pause, "no answer"}} {
		if err := step.freeze(); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, func() error {
			if says := fmt.Sprint(b.Ready()); !strings.Contains(says, step.ready) {
				return fmt.Errorf("ready says %q, want %q", says, step.ready)
			}
			return nil
		})
	}
	for name, call := range calls(b, queue) {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		begun := time.Now()
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v, want the deadline", name, err)
		}
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("%s took %s", name, took)
		}
		cancel()
	}
	begun := time.Now()
	_ = mailbox.Close() // nobody answers
	for range mailbox.Deliveries() {
		continue
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("closing a mailbox took %s", took)
	}
	begun = time.Now()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("close took %s", took)
	}
}

func TestOpen_RefusesWhatIsNoURL(t *testing.T) {
	for _, url := range []string{"", "http://x", "amqp://user:secret@host:port:port/%"} {
		_, err := amqp.Open(t.Context(), amqp.Config{URL: url}, discard())
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v", url, err)
		}
	}
}

// checkUnavailable makes every call while there is no node: each fails soon, with the right error.
func checkUnavailable(t *testing.T, b broker.Broker, queue string) {
	t.Helper()
	var group sync.WaitGroup
	for name, call := range calls(b, queue) {
		group.Go(func() {
			begun := time.Now()
			if err := call(t.Context()); !errors.Is(err, broker.ErrUnavailable) {
				t.Errorf("%s: got %v, want ErrUnavailable", name, err)
			}
			if took := time.Since(begun); took > 3*time.Second {
				t.Errorf("%s took %s", name, took)
			}
		})
	}
	group.Wait()
}

func calls(b broker.Broker, queue string) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"send":      func(ctx context.Context) error { return b.Send(ctx, queue, broker.Message{}) },
		"broadcast": func(ctx context.Context) error { return b.Broadcast(ctx, "amq.fanout", broker.Message{}) },
		"declare":   func(ctx context.Context) error { return b.DeclareQueue(ctx, broker.Queue{Name: queue}) },
		"mailbox": func(ctx context.Context) error {
			_, err := b.OpenMailbox(ctx, queue, 1)
			return err
		},
		"subscribe": func(ctx context.Context) error {
			_, err := b.Subscribe(ctx, queue, broker.SubscribeOptions{}, nil)
			return err
		},
		"inspect": func(ctx context.Context) error {
			_, err := b.Inspect(ctx, queue)
			return err
		},
	}
}

// restartWithout starts the node again, and deletes queue before anybody is used to having it back: a broker of its own
// races the one under test, which either ends its subscription because the queue is gone or sees it being deleted.
func restartWithout(t *testing.T, node *rabbit.Node, queue string) {
	t.Helper()
	if err := node.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := open(t, node)
	testkit.Eventually(t, other.Ready)
	if err := other.DeleteQueue(t.Context(), queue); err != nil {
		t.Fatal(err)
	}
}

func declare(t *testing.T, b broker.Broker) string {
	t.Helper()
	name := "test." + control.NewID()
	testkit.Eventually(t, func() error { return b.DeclareQueue(t.Context(), broker.Queue{Name: name}) })
	return name
}

func subscribe(t *testing.T, b broker.Broker, queue string, h broker.Handler) broker.Subscription {
	t.Helper()
	s, err := b.Subscribe(t.Context(), queue, broker.SubscribeOptions{Concurrency: 4, MaxAttempts: 10}, h)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sender sends numbered messages one after the other and keeps the numbers that were confirmed.
type sender struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu        sync.Mutex
	confirmed []string
}

func startSender(b broker.Broker, queue string) *sender {
	ctx, cancel := context.WithCancel(context.Background())
	s := &sender{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for i := 0; ctx.Err() == nil; i++ {
			body := fmt.Sprint(i)
			if b.Send(ctx, queue, broker.Message{ID: control.NewID(), Body: []byte(body)}) == nil {
				s.mu.Lock()
				s.confirmed = append(s.confirmed, body)
				s.mu.Unlock()
			}
		}
	}()
	return s
}

func (s *sender) stop() []string {
	s.cancel()
	<-s.done
	return s.confirmed
}

// confirmedAtLeast is what was confirmed so far, or something that never was while that is too little.
func (s *sender) confirmedAtLeast(count int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.confirmed) < count {
		return []string{"more"}
	}
	return s.confirmed[:count]
}

// confirmedMore waits for more confirmations.
func (s *sender) confirmedMore(t *testing.T, count int) {
	t.Helper()
	s.mu.Lock()
	goal := len(s.confirmed) + count
	s.mu.Unlock()
	testkit.Eventually(t, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.confirmed) < goal {
			return fmt.Errorf("%d confirmed, want %d", len(s.confirmed), goal)
		}
		return nil
	})
}

// ledger is the set of bodies that were handled.
type ledger struct {
	mu   sync.Mutex
	seen map[string]bool
}

func newLedger() *ledger { return &ledger{seen: map[string]bool{}} }

func (l *ledger) add(body string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen[body] = true
}

func (l *ledger) missing(bodies []string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, body := range bodies {
		if !l.seen[body] {
			return fmt.Errorf("message %s was not handled (%d were)", body, len(l.seen))
		}
	}
	return nil
}
