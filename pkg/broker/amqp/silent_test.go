package amqp_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/amqp"
	"github.com/orkestro/orkestro/pkg/testkit/rabbit"
)

// TestBroker_SilentConsumer has a consumer's machine vanish, without a reset, while it holds a message. Another consumer
// gets it well before anybody gives up waiting.
func TestBroker_SilentConsumer(t *testing.T) {
	node := rabbit.Shared(t)
	cable := plug(t, node)
	lost, err := amqp.Open(t.Context(), amqp.Config{URL: cable.url}, discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lost.Close() })
	other := open(t, node)
	queue := declare(t, other)
	taken := make(chan struct{})
	subscribe(t, lost, queue, func(ctx context.Context, _ broker.Delivery) error {
		close(taken)
		<-ctx.Done()
		return ctx.Err()
	})
	if err := other.Send(t.Context(), queue, broker.Message{ID: "held"}); err != nil {
		t.Fatal(err)
	}
	<-taken
	cable.pull()
	pulled := time.Now()
	again := make(chan string, 1)
	subscribe(t, other, queue, func(_ context.Context, d broker.Delivery) error {
		again <- d.ID
		return nil
	})
	select {
	case <-again:
		t.Logf("another consumer has the message after %s", time.Since(pulled))
	case <-time.After(12 * time.Second): // 4 to 9 s are usual; with heartbeats of 10 s it takes at least 15 s
		t.Error("nobody else gets what a silent consumer holds")
	}
}

// TestSubscription_HandlerEndsWithItsConnection cuts off a consumer that holds a message. Somebody else is about to get
// it, so the handler is told to stop, and what it returns counts for nothing: there is one message, not two.
func TestSubscription_HandlerEndsWithItsConnection(t *testing.T) {
	node := rabbit.Shared(t)
	cable := plug(t, node)
	b, err := amqp.Open(t.Context(), amqp.Config{URL: cable.url}, discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	other := open(t, node)
	queue := declare(t, other)
	taken, ended, handled := make(chan struct{}), make(chan struct{}), make(chan broker.Delivery, 10)
	var first sync.Once
	subscribe(t, b, queue, func(ctx context.Context, d broker.Delivery) error {
		var err error
		first.Do(func() {
			close(taken)
			<-ctx.Done()
			err = broker.Permanent(ctx.Err())
			close(ended)
		})
		if err == nil {
			handled <- d
		}
		return err
	})
	before := deadLetters(t, other)
	if err := other.Send(t.Context(), queue, broker.Message{ID: "held"}); err != nil {
		t.Fatal(err)
	}
	<-taken
	cable.cut()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Fatal("the handler goes on with a message that is lost")
	}
	if d := <-handled; d.ID != "held" || d.Attempts != 1 {
		t.Errorf("got %s after %d attempts", d.ID, d.Attempts)
	}
	_ = b.Close() // waits for what becomes of the first try
	if after := deadLetters(t, other); after != before {
		t.Errorf("%d messages were given up", after-before)
	}
}

// deadLetters counts them.
func deadLetters(t *testing.T, b broker.Broker) int {
	t.Helper()
	info, err := b.Inspect(t.Context(), broker.DeadLetterQueue)
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		t.Fatal(err)
	}
	return info.Messages
}

// cable is a connection to a node that can be pulled: it stays open, and nothing comes through any more.
type cable struct {
	url    string
	pulled chan struct{}

	mu    sync.Mutex
	conns []net.Conn
}

// plug makes a cable, which is put away with the test.
func plug(t *testing.T, node *rabbit.Node) *cable {
	t.Helper()
	address, err := url.Parse(node.URL())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := address.Host
	address.Host = listener.Addr().String()
	c := &cable{url: address.String(), pulled: make(chan struct{})}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				_ = client.Close()
				continue
			}
			running.Go(func() { c.copy(server, client) })
			running.Go(func() { c.copy(client, server) })
			c.mu.Lock()
			c.conns = append(c.conns, client, server)
			c.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		c.cut()
		running.Wait()
	})
	return c
}

func (c *cable) pull() { close(c.pulled) }

// cut ends the connections that go through the cable; new ones may come.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.conns = nil
}

// copy passes on what comes, until the cable is pulled; then it swallows it.
func (c *cable) copy(to, from net.Conn) {
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			_ = to.Close()
			return
		}
		select {
		case <-c.pulled:
			continue
		default:
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			_ = from.Close()
			return
		}
	}
}
