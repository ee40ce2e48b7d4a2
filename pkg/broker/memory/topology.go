package memory

import (
	"context"
	"fmt"
	"maps"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/logging"
)

// DeclareQueue implements [broker.Topology].
func (b *Broker) DeclareQueue(ctx context.Context, settings broker.Queue) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.usableLocked(ctx); err != nil {
		return err
	}
	if existing, ok := b.queues[settings.Name]; ok {
		if existing.settings != settings {
			return fmt.Errorf("declare queue %s: it exists with other settings: %+v", settings.Name, existing.settings)
		}
		if existing.touch() {
			return nil
		}
		b.unbindLocked(settings.Name) // it has just expired
	}
	b.queues[settings.Name] = newQueue(settings, b.expired)
	return nil
}

// DeleteQueue implements [broker.Topology].
func (b *Broker) DeleteQueue(ctx context.Context, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.usableLocked(ctx); err != nil {
		return err
	}
	if q, ok := b.queues[name]; ok {
		delete(b.queues, name)
		b.unbindLocked(name)
		q.delete()
	}
	return nil
}

// DeclareExchange implements [broker.Topology].
func (b *Broker) DeclareExchange(ctx context.Context, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.usableLocked(ctx); err != nil {
		return err
	}
	if b.exchanges[name] == nil {
		b.exchanges[name] = map[string]bool{}
	}
	return nil
}

// DeleteExchange implements [broker.Topology].
func (b *Broker) DeleteExchange(ctx context.Context, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.usableLocked(ctx); err != nil {
		return err
	}
	delete(b.exchanges, name)
	delete(b.inner, name)
	for _, bound := range b.inner {
		delete(bound, name)
	}
	return nil
}

// Bind implements [broker.Topology].
func (b *Broker) Bind(ctx context.Context, queue, exchange string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.usableLocked(ctx); err != nil {
		return err
	}
	if b.queues[queue] == nil || b.exchanges[exchange] == nil {
		return fmt.Errorf("bind %s to %s: %w", queue, exchange, broker.ErrNotFound)
	}
	b.exchanges[exchange][queue] = true
	return nil
}

// BindExchange implements [broker.Topology].
func (b *Broker) BindExchange(ctx context.Context, inner, outer string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.usableLocked(ctx); err != nil {
		return err
	}
	if b.exchanges[inner] == nil || b.exchanges[outer] == nil {
		return fmt.Errorf("bind %s to %s: %w", inner, outer, broker.ErrNotFound)
	}
	if b.inner[outer] == nil {
		b.inner[outer] = map[string]bool{}
	}
	b.inner[outer][inner] = true
	return nil
}

// bound is the queues that an exchange leads to.
func (b *Broker) bound(ctx context.Context, exchange string) ([]*queue, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if err := b.usableLocked(ctx); err != nil {
		return nil, err
	}
	if b.exchanges[exchange] == nil {
		return nil, fmt.Errorf("broadcast on %s: %w", exchange, broker.ErrNotFound)
	}
	names := map[string]bool{}
	b.collectLocked(exchange, names, map[string]bool{})
	if len(names) == 0 {
		return nil, fmt.Errorf("broadcast on %s: %w", exchange, broker.ErrUnroutable)
	}
	queues := make([]*queue, 0, len(names))
	for name := range names {
		queues = append(queues, b.queues[name])
	}
	return queues, nil
}

// collectLocked adds the names of the queues that an exchange leads to; seen are the exchanges that were looked at.
func (b *Broker) collectLocked(exchange string, queues, seen map[string]bool) {
	if seen[exchange] {
		return
	}
	seen[exchange] = true
	maps.Copy(queues, b.exchanges[exchange])
	for inner := range b.inner[exchange] {
		b.collectLocked(inner, queues, seen)
	}
}

// bury puts a message that was given up on the dead-letter queue.
func (b *Broker) bury(m broker.Message) {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return
	}
	q, ok := b.queues[broker.DeadLetterQueue]
	if !ok {
		q = newQueue(broker.Queue{Name: broker.DeadLetterQueue}, b.expired)
		b.queues[broker.DeadLetterQueue] = q
	}
	b.mu.Unlock()
	b.log.Error("message given up", logging.KeyQueue, m.Failure.Queue, logging.KeyRequest, m.ID,
		logging.KeyType, m.Type, "attempts", m.Failure.Attempts, logging.KeyError, m.Failure.Reason)
	_ = q.push(m) // fails only when an operator has deleted the queue at this very moment
}

// expired drops a queue that has deleted itself.
func (b *Broker) expired(q *queue) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if name := q.settings.Name; b.queues[name] == q {
		delete(b.queues, name)
		b.unbindLocked(name)
	}
}

// unbindLocked takes a queue out of every exchange.
func (b *Broker) unbindLocked(queue string) {
	for _, bound := range b.exchanges {
		delete(bound, queue)
	}
}
