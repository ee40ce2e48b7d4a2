// Package amqp is the message broker on RabbitMQ (AMQP 0-9-1): it implements package broker, whose contract says what
// callers may rely on. Connections, channels, confirms and reconnecting are its business alone; it knows nothing of
// what the messages mean. docs/adr/0001-amqp-recovery.md says why it reconnects by itself.
package amqp

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/rabbitmq/amqp091-go"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/logging"
)

var _ broker.Broker = (*Broker)(nil)

// Broker implements [broker.Broker] on RabbitMQ. Publishing, consuming, declaring and mailboxes have connections of
// their own, because RabbitMQ slows a connection that publishes too fast, and acknowledgements must not wait behind
// that.
type Broker struct {
	*topology
	logger      *slog.Logger
	links       []*link // those that are there from the start
	publisher   *publisher
	broadcaster *broadcaster
	consumers   *consumers
	mailboxes   *mailboxes
	retrier     *retrier
	pulse       *pulse
	cancel      context.CancelFunc // ends the links
	calls       sync.WaitGroup     // goroutines of lanes, mailboxes and calls that nobody waits for any more

	mu            sync.Mutex
	closed        bool
	subscriptions map[*subscription]struct{}
}

// Open starts connecting to RabbitMQ and returns at once: a broker that is not there yet is tried until it is, and
// calls fail with [broker.ErrUnavailable] meanwhile. The connections live until Close, however soon ctx ends. The only
// error is a URL that is none.
func Open(ctx context.Context, config Config, logger *slog.Logger) (*Broker, error) {
	if _, err := amqp091.ParseURI(config.URL); err != nil {
		return nil, errors.New("broker URL: amqp://user:password@host:port/vhost is needed") // err may show the password
	}
	if config.Heartbeat == 0 {
		config.Heartbeat = defaultHeartbeat
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	logger = logger.With(logging.KeyComponent, "broker")
	outage := logging.NewOutage(logger, "broker", linkPublish, linkConsume, linkTopology)
	newLink := func(name string) *link { return startLink(ctx, config, name, outage) }
	publish, consume, declare := newLink(linkPublish), newLink(linkConsume), newLink(linkTopology)

	b := &Broker{
		logger: logger, links: []*link{publish, consume, declare}, cancel: cancel,
		subscriptions: map[*subscription]struct{}{},
	}
	b.topology = &topology{pool: newPool(declare, topologyChannels, &b.calls, nil)}
	b.publisher = newPublisher(ctx, publish, &b.calls)
	b.broadcaster = &broadcaster{pool: newPool(publish, broadcastChannels, &b.calls, confirmMode)}
	b.consumers = &consumers{link: consume, look: b.topology, calls: &b.calls}
	b.mailboxes = &mailboxes{newLink: newLink, calls: &b.calls, open: map[*mailbox]struct{}{}}
	b.retrier = &retrier{send: b.send, declareDead: b.declareDead, logger: logger}
	b.pulse = &pulse{topology: b.topology, outage: outage}
	b.calls.Go(func() { b.pulse.run(ctx) })
	return b, nil
}

// Send implements [broker.Publisher].
func (b *Broker) Send(ctx context.Context, queue string, m broker.Message) error {
	return wrap(b.send(ctx, queue, m, 0), "send to", queue)
}

// Broadcast implements [broker.Publisher].
func (b *Broker) Broadcast(ctx context.Context, exchange string, m broker.Message) error {
	return wrap(b.broadcaster.broadcast(ctx, exchange, encode(m, 0)), "broadcast on", exchange)
}

// Subscribe implements [broker.Consumer].
func (b *Broker) Subscribe(
	ctx context.Context, queue string, o broker.SubscribeOptions, h broker.Handler,
) (broker.Subscription, error) {
	o = bounds(o)
	s := &subscription{
		queue: queue, options: o, handler: h, consumers: b.consumers, retrier: b.retrier, logger: b.logger,
		slots: make(chan struct{}, o.Concurrency), held: map[*held]struct{}{},
		stopping: make(chan struct{}), idle: make(chan struct{}), done: make(chan struct{}),
	}
	if err := s.start(ctx, b.forget); err != nil {
		return nil, wrap(err, "subscribe to", queue)
	}
	if !b.remember(s) {
		return nil, errors.Join(broker.ErrClosed, s.Close(ctx))
	}
	return s, nil
}

// OpenMailbox implements [broker.Consumer].
func (b *Broker) OpenMailbox(ctx context.Context, queue string, prefetch int) (broker.Mailbox, error) {
	m, err := b.mailboxes.openMailbox(ctx, queue, max(prefetch, 1))
	if err != nil {
		return nil, wrap(err, "open mailbox", queue)
	}
	return m, nil
}

// Ready implements [broker.Broker].
func (b *Broker) Ready() error {
	for _, l := range b.links {
		if err := l.ready(); err != nil {
			return err
		}
	}
	return b.pulse.ready()
}

// Close ends subscriptions and mailboxes, waits a moment for the handlers in flight, and closes the connections.
func (b *Broker) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	var failed []error
	var closing sync.WaitGroup
	subscriptions := b.shut()
	results := make(chan error, len(subscriptions))
	for _, s := range subscriptions {
		closing.Go(func() { results <- s.Close(ctx) })
	}
	closing.Wait()
	close(results)
	for err := range results {
		failed = append(failed, err)
	}
	b.mailboxes.shut()
	b.cancel()
	for _, l := range append(b.links, b.mailboxes.all()...) {
		<-l.done
	}
	b.calls.Wait()
	return errors.Join(failed...)
}

func (b *Broker) send(ctx context.Context, queue string, m broker.Message, attempts int) error {
	return b.publisher.send(ctx, queue, encode(m, attempts))
}

func (b *Broker) declareDead(ctx context.Context) error {
	return b.DeclareQueue(ctx, broker.Queue{Name: broker.DeadLetterQueue})
}

// shut refuses new subscriptions and hands over the present ones.
func (b *Broker) shut() []*subscription {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	list := make([]*subscription, 0, len(b.subscriptions))
	for s := range b.subscriptions {
		list = append(list, s)
	}
	return list
}

// remember reports false when the broker is closed.
func (b *Broker) remember(s *subscription) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-s.done: // over already, the queue was deleted
	default:
		b.subscriptions[s] = struct{}{}
	}
	return !b.closed
}

func (b *Broker) forget(s *subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.subscriptions, s)
}
