package watch

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/message"
)

// Tasks follows the one queue that all Wrappers compete for, until ctx ends; it waits for the handlers in flight. The
// queue and the dead-letter queue are made if they are not there.
func (q *Queues) Tasks(ctx context.Context) {
	pause := backoffMin
	for ctx.Err() == nil {
		subscription, err := q.subscribeTasks(ctx)
		if err == nil {
			q.consuming.Store(true)
			pause = backoffMin
			select {
			case <-subscription.Done():
			case <-ctx.Done():
			}
			q.consuming.Store(false)
			err = subscription.Close(context.WithoutCancel(ctx))
		}
		if ctx.Err() != nil {
			return
		}
		q.log.Warn("queue of tasks lost, subscribing again",
			slog.String(logging.KeyQueue, message.WrapperQueue), slog.Any(logging.KeyError, err))
		select {
		case <-ctx.Done():
		case <-time.After(pause/2 + rand.N(pause/2+1)): //nolint:gosec // jitter needs no secrecy
		}
		pause = min(2*pause, backoffMax)
	}
}

// Consuming reports whether tasks are being taken.
func (q *Queues) Consuming() bool { return q.consuming.Load() }

func (q *Queues) subscribeTasks(ctx context.Context) (broker.Subscription, error) {
	for _, queue := range []broker.Queue{message.DeadLetter(), message.Wrapper()} {
		if err := q.broker.DeclareQueue(ctx, queue); err != nil {
			return nil, err
		}
	}
	return q.broker.Subscribe(ctx, message.WrapperQueue, q.options, q.handler)
}
