package amqp

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/rabbitmq/amqp091-go"
)

// consumers starts the consumers of subscriptions. Thousands of them share the channels of one link.
type consumers struct {
	link  *link
	look  *topology
	calls *sync.WaitGroup
	tags  atomic.Uint64

	mu       sync.Mutex
	channels []*sharedChannel
}

// sharedChannel is a channel with several consumers. turn is held while one of them is started or ended: a prefetch
// holds for the consumers that are started after it, and the library gives the reply to one call on a channel to
// whoever waits for one, so that two calls at once would take each other's.
type sharedChannel struct {
	turn      chan struct{}
	consumers int              // guarded by consumers.mu; counts those that are about to start, too
	channel   *amqp091.Channel // set by the first holder of turn
	lost      context.Context  //nolint:containedctx // ends with channel, and is set with it
}

// consumer is one running consumer. deliveries is closed when it ends for whatever reason.
type consumer struct {
	shared     *sharedChannel
	channel    *amqp091.Channel
	lost       context.Context //nolint:containedctx // ends with channel
	tag        string
	deliveries <-chan amqp091.Delivery
}

// start consumes queue with a prefetch. The queue is looked at first: consuming one that does not exist would close the
// channel for everybody on it.
func (c *consumers) start(ctx context.Context, queue string, prefetch int) (*consumer, error) {
	if _, err := c.look.Inspect(ctx, queue); err != nil {
		return nil, err
	}
	return await(ctx, c.calls, func() (*consumer, error) {
		shared := c.join()
		started, err := c.startOn(ctx, shared, queue, prefetch)
		if err != nil {
			c.leave(shared)
		}
		return started, err
	}, c.stop)
}

func (c *consumers) startOn(
	ctx context.Context, shared *sharedChannel, queue string, prefetch int,
) (*consumer, error) {
	shared.turn <- struct{}{}
	defer func() { <-shared.turn }()
	if shared.channel == nil {
		connection, err := c.link.connection(ctx)
		if err != nil {
			return nil, err
		}
		opened, err := connection.Channel()
		if err != nil {
			return nil, err
		}
		c.opened(shared, opened)
	}
	ch := shared.channel
	if err := ch.Qos(prefetch, 0, false); err != nil {
		return nil, err
	}
	tag := strconv.FormatUint(c.tags.Add(1), 10)
	deliveries, err := ch.Consume(queue, tag, false, false, false, false, nil)
	if err != nil {
		return nil, err
	}
	return &consumer{shared: shared, channel: ch, lost: shared.lost, tag: tag, deliveries: deliveries}, nil
}

// stop ends a consumer: no more is delivered, and deliveries is closed after what has arrived.
func (c *consumers) stop(ended *consumer) {
	ended.shared.turn <- struct{}{}
	defer func() { <-ended.shared.turn }()
	_ = ended.channel.Cancel(ended.tag, false) // fails only on a channel that is gone, and the consumer with it
	c.leave(ended.shared)
}

// join finds a channel with room and takes a place on it.
func (c *consumers) join() *sharedChannel {
	c.mu.Lock()
	defer c.mu.Unlock()
	open := c.channels[:0]
	for _, shared := range c.channels {
		if shared.channel == nil || !shared.channel.IsClosed() {
			open = append(open, shared)
		}
	}
	clear(c.channels[len(open):])
	c.channels = open
	for _, shared := range c.channels {
		if shared.consumers < consumersPerChannel {
			shared.consumers++
			return shared
		}
	}
	shared := &sharedChannel{turn: make(chan struct{}, 1), consumers: 1}
	c.channels = append(c.channels, shared)
	return shared
}

func (c *consumers) leave(shared *sharedChannel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	shared.consumers--
}

func (c *consumers) opened(shared *sharedChannel, ch *amqp091.Channel) {
	lost, lose := context.WithCancel(context.Background())
	closed := ch.NotifyClose(make(chan *amqp091.Error, 1))
	c.calls.Go(func() {
		<-closed
		lose()
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	shared.channel, shared.lost = ch, lost
}
