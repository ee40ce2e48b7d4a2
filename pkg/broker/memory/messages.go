package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
)

// Send implements [broker.Publisher].
func (b *Broker) Send(ctx context.Context, queue string, m broker.Message) error {
	q, err := b.queue(ctx, queue, broker.ErrUnroutable)
	if err != nil {
		return err
	}
	if err := q.push(owned(m)); err != nil {
		return fmt.Errorf("send to %s: %w", queue, err)
	}
	return nil
}

// Broadcast implements [broker.Publisher]. As with RabbitMQ, the queues that have room get the message even if another
// one is full.
func (b *Broker) Broadcast(ctx context.Context, exchange string, m broker.Message) error {
	queues, err := b.bound(ctx, exchange)
	if err != nil {
		return err
	}
	m = owned(m)
	var full error
	for _, q := range queues {
		// A queue that was deleted meanwhile is no longer bound, so only a full one counts.
		if err := q.push(m); errors.Is(err, broker.ErrFull) {
			full = fmt.Errorf("broadcast on %s: queue %s: %w", exchange, q.settings.Name, err)
		}
	}
	return full
}

// Subscribe implements [broker.Consumer].
func (b *Broker) Subscribe(
	ctx context.Context, queue string, o broker.SubscribeOptions, h broker.Handler,
) (broker.Subscription, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.usableLocked(ctx); err != nil {
		return nil, err
	}
	q, ok := b.queues[queue]
	if !ok {
		return nil, fmt.Errorf("subscribe to %s: %w", queue, broker.ErrNotFound)
	}
	s, err := subscribe(ctx, b, q, o, h)
	if err != nil {
		return nil, fmt.Errorf("subscribe to %s: %w", queue, err)
	}
	b.subscriptions[s] = true
	return s, nil
}

// OpenMailbox implements [broker.Consumer].
func (b *Broker) OpenMailbox(ctx context.Context, queue string, prefetch int) (broker.Mailbox, error) {
	q, err := b.queue(ctx, queue, broker.ErrNotFound)
	if err != nil {
		return nil, err
	}
	m, err := openMailbox(q, max(prefetch, 1))
	if err != nil {
		return nil, fmt.Errorf("open mailbox %s: %w", queue, err)
	}
	return m, nil
}

// Inspect implements [broker.Consumer].
func (b *Broker) Inspect(ctx context.Context, queue string) (broker.Info, error) {
	q, err := b.queue(ctx, queue, broker.ErrNotFound)
	if err != nil {
		return broker.Info{}, err
	}
	return q.inspect()
}

// owned is m as the broker keeps it: the sender may use its buffer again, and nothing is more exact than RabbitMQ
// would keep it.
func owned(m broker.Message) broker.Message {
	m.Body = bytes.Clone(m.Body)
	m.Time = m.Time.Truncate(time.Millisecond)
	return m
}
