// Package memory is the message broker within one process: what RabbitMQ does for a fleet, it does for `orkestro dev`
// and for tests, with the semantics that package broker promises. Nothing is written to disk, so messages live as long
// as the process. It knows nothing of what the messages mean.
package memory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/logging"
)

// closeTimeout is how long Close waits for handlers that are still running.
const closeTimeout = 5 * time.Second

var _ broker.Broker = (*Broker)(nil)

// Broker implements [broker.Broker] in memory. Locks are taken in the order broker, queue.
type Broker struct {
	log     *slog.Logger
	running sync.WaitGroup // what waits for the handlers of ended subscriptions

	mu            sync.RWMutex
	closed        bool
	queues        map[string]*queue
	exchanges     map[string]map[string]bool // exchange -> names of the queues bound to it
	inner         map[string]map[string]bool // exchange -> names of the exchanges bound to it
	subscriptions map[*subscription]bool     // those that have not ended
}

// New is an empty broker.
func New(logger *slog.Logger) *Broker {
	return &Broker{
		log:           logger.With(logging.KeyComponent, "broker"),
		queues:        map[string]*queue{},
		exchanges:     map[string]map[string]bool{},
		inner:         map[string]map[string]bool{},
		subscriptions: map[*subscription]bool{},
	}
}

// Ready implements [broker.Broker].
func (b *Broker) Ready() error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		return broker.ErrClosed
	}
	return nil
}

// Close ends every subscription and mailbox, waits a moment for the handlers in flight, and forgets all messages.
func (b *Broker) Close() error {
	b.mu.Lock()
	b.closed = true
	subscriptions, queues := b.subscriptions, b.queues
	b.subscriptions, b.queues, b.exchanges = map[*subscription]bool{}, map[string]*queue{}, map[string]map[string]bool{}
	b.mu.Unlock()

	for _, q := range queues {
		q.delete()
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	var failed []error
	for s := range subscriptions {
		failed = append(failed, s.Close(ctx))
	}
	if err := errors.Join(failed...); err != nil {
		return err
	}
	b.running.Wait()
	return nil
}

// forget drops a subscription that has ended.
func (b *Broker) forget(s *subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.subscriptions, s)
}

// queue finds a queue; missing is the error when there is none. It fails as any call does on a closed broker or with a
// context that has ended.
func (b *Broker) queue(ctx context.Context, name string, missing error) (*queue, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if err := b.usableLocked(ctx); err != nil {
		return nil, err
	}
	q, ok := b.queues[name]
	if !ok {
		return nil, fmt.Errorf("queue %s: %w", name, missing)
	}
	return q, nil
}

func (b *Broker) usableLocked(ctx context.Context) error {
	if b.closed {
		return broker.ErrClosed
	}
	return ctx.Err()
}
