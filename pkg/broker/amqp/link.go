package amqp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/logging"
)

// link is one connection to the broker that is made again whenever it breaks. Its goroutine owns the connection;
// everybody else borrows it.
type link struct {
	name   string // what the connection is for
	config Config
	outage *logging.Outage
	done   chan struct{} // closed when run has ended

	mu      sync.Mutex
	current *amqp091.Connection // nil while there is none
	changed chan struct{}       // closed when current changes, and then replaced
	failure error               // why there is none
}

// The links that are there from the start.
const (
	linkPublish  = "publish"
	linkConsume  = "consume"
	linkTopology = "topology"
)

// startLink starts connecting, until ctx ends; the first connection may be a long time coming.
func startLink(ctx context.Context, config Config, name string, outage *logging.Outage) *link {
	l := &link{
		name: name, config: config, outage: outage, done: make(chan struct{}),
		changed: make(chan struct{}), failure: errors.New("not connected yet"),
	}
	go l.run(ctx)
	return l
}

// connection is the present connection. It waits a moment for one that is being made: [broker.ErrUnavailable] after
// that, [broker.ErrClosed] once the link is closed.
func (l *link) connection(ctx context.Context) (*amqp091.Connection, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		connection, changed, failure := l.state()
		if connection != nil {
			return connection, nil
		}
		select {
		case <-changed:
		case <-timer.C:
			return nil, fmt.Errorf("%w: %w", broker.ErrUnavailable, failure)
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-l.done:
			return nil, broker.ErrClosed
		}
	}
}

// ready is nil while there is a connection.
func (l *link) ready() error {
	if connection, _, failure := l.state(); connection == nil {
		return fmt.Errorf("%s connection: %w", l.name, failure)
	}
	return nil
}

func (l *link) state() (*amqp091.Connection, <-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current == nil || l.current.IsClosed() {
		return nil, l.changed, l.failure
	}
	return l.current, nil, nil
}

func (l *link) set(connection *amqp091.Connection, failure error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if failure == nil {
		failure = errors.New("connection lost")
	}
	l.current, l.failure = connection, failure
	close(l.changed)
	l.changed = make(chan struct{})
}

// run connects, waits for the end of the connection, and connects again, until ctx ends.
func (l *link) run(ctx context.Context) {
	defer close(l.done)
	for ctx.Err() == nil {
		connection := l.connect(ctx)
		if connection == nil {
			return
		}
		lost := connection.NotifyClose(make(chan *amqp091.Error, 1))
		l.set(connection, nil)
		l.outage.There(l.name)
		select {
		case reason := <-lost:
			l.outage.Away(l.name, describe(reason))
			l.set(nil, describe(reason))
		case <-ctx.Done():
			l.set(nil, broker.ErrClosed)
			// A broker that does not say goodbye is left without.
			_ = connection.CloseDeadline(time.Now().Add(goodbyeTimeout))
		}
	}
}

// connect tries until there is a connection; nil when ctx ended first.
func (l *link) connect(ctx context.Context) *amqp091.Connection {
	for attempt := 0; ; attempt++ {
		connection, err := l.dial(ctx)
		if err == nil {
			return connection
		}
		l.set(nil, err)
		if ctx.Err() == nil {
			l.outage.Away(l.name, err)
		}
		if !sleep(ctx.Done(), backoff(attempt)) {
			return nil
		}
	}
}

func (l *link) dial(ctx context.Context) (*amqp091.Connection, error) {
	properties := amqp091.NewConnectionProperties()
	properties.SetClientConnectionName(l.config.ConnectionName + " " + l.name)
	return amqp091.DialConfig(l.config.URL, amqp091.Config{
		Heartbeat:  l.config.Heartbeat,
		ChannelMax: channelsPerLink,
		Properties: properties,
		Dial: func(network, address string) (net.Conn, error) {
			dialer := net.Dialer{Timeout: dialTimeout}
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			// The library lifts the deadline once the handshake is over.
			return conn, conn.SetDeadline(time.Now().Add(dialTimeout))
		},
	})
}

// backoff doubles from firstBackoff to maxBackoff; half of it is chance, so that a fleet does not connect in step.
func backoff(attempt int) time.Duration {
	delay := maxBackoff
	if attempt < 8 {
		delay = min(maxBackoff, firstBackoff<<attempt)
	}
	return delay/2 + rand.N(delay/2) //nolint:gosec // jitter needs no secrecy
}

// sleep waits for delay, and reports false if stop came first.
func sleep(stop <-chan struct{}, delay time.Duration) bool {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-stop:
		return false
	}
}
