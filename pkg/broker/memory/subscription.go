package memory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/internal/attempt"
)

// subscription implements [broker.Subscription]. Each delivery is handled on a goroutine of its own, which running
// counts; the queue bounds how many there are.
type subscription struct {
	broker   *Broker
	queue    *queue
	consumer *consumer
	options  broker.SubscribeOptions
	handler  broker.Handler

	running  sync.WaitGroup
	stopping chan struct{} // closed when no more is taken: retries do not wait any longer
	stop     sync.Once
	cancel   context.CancelFunc // ends the context of the handlers
	done     chan struct{}
}

// subscribe starts handling the messages of q. The handlers get the values of ctx but outlive it.
func subscribe(
	ctx context.Context, b *Broker, q *queue, o broker.SubscribeOptions, h broker.Handler,
) (*subscription, error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &subscription{
		broker: b, queue: q, options: o, handler: h,
		stopping: make(chan struct{}), cancel: cancel, done: make(chan struct{}),
	}
	s.consumer = &consumer{
		limit: max(o.Concurrency, 1), held: map[uint64]*entry{}, ended: s.ended,
		deliver: func(e *entry) { s.running.Go(func() { s.handle(ctx, e) }) },
	}
	if err := q.attach(s.consumer); err != nil {
		cancel()
		return nil, err
	}
	return s, nil
}

// Done implements [broker.Subscription].
func (s *subscription) Done() <-chan struct{} { return s.done }

// Close implements [broker.Subscription].
func (s *subscription) Close(ctx context.Context) error {
	s.queue.detach(s.consumer)
	s.ended()
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
	}
	s.queue.release(s.consumer, true) // first, or a handler that ends because of cancel counts as having finished
	s.cancel()
	return fmt.Errorf("close subscription of %s: not finished: %w", s.queue.settings.Name, ctx.Err())
}

// ended lets the handlers in flight finish, and then ends the subscription. It does not block: the queue may be
// deleted by one of those handlers.
func (s *subscription) ended() {
	s.stop.Do(func() {
		close(s.stopping)
		s.broker.running.Go(func() {
			s.running.Wait()
			s.queue.release(s.consumer, true) // retries that were cut short
			s.cancel()
			s.broker.forget(s)
			close(s.done)
		})
	})
}

// handle tries an entry once, and then settles it, gives it up, or puts it back after a delay.
func (s *subscription) handle(ctx context.Context, e *entry) {
	if e.attempts >= s.options.MaxAttempts && e.attempts > 0 {
		s.giveUp(e, e.attempts, attempt.Lost(e.attempts))
		return
	}
	err := s.handler(ctx, broker.Delivery{Message: e.message, Attempts: e.attempts})
	switch {
	case err == nil:
		s.queue.settle(s.consumer, e)
	case attempt.GiveUp(err, e.attempts, s.options.MaxAttempts):
		s.giveUp(e, e.attempts+1, err)
	default:
		tries, delay := attempt.Failed(err, e.attempts)
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
			s.queue.retry(s.consumer, e, tries)
		case <-s.stopping:
		}
	}
}

// giveUp moves an entry to the dead-letter queue.
func (s *subscription) giveUp(e *entry, tries int, err error) {
	m := e.message
	m.Failure = attempt.Failure(s.queue.settings.Name, tries, err, time.Now())
	if s.queue.settle(s.consumer, e) {
		s.broker.bury(m)
	}
}
