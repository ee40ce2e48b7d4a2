package amqp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/rabbitmq/amqp091-go"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/logging"
)

// subscription implements [broker.Subscription]. Its goroutine keeps a consumer running, over reconnections, and starts
// one goroutine for each delivery, as many at once as there are slots.
type subscription struct {
	queue     string
	options   broker.SubscribeOptions
	handler   broker.Handler
	consumers *consumers
	retrier   *retrier
	logger    *slog.Logger

	handlers sync.WaitGroup
	slots    chan struct{}
	stopping chan struct{} // closed by Close: nothing new is begun
	stop     sync.Once
	idle     chan struct{}      // closed when stopping, and no handler runs any more
	cancel   context.CancelFunc // ends the context of the handlers
	done     chan struct{}

	mu      sync.Mutex
	current *consumer          // nil between two consumers
	held    map[*held]struct{} // deliveries with a handler
}

// held is a delivery that is being handled. It is settled once, by its handler or by a Close that cannot wait.
type held struct {
	delivery amqp091.Delivery
	from     *consumer
	settle   sync.Once
}

// lost reports whether the channel of the delivery is gone. It cannot be settled any more then: the broker gives it out
// again, and perhaps has.
func (h *held) lost() bool { return h.from.channel.IsClosed() }

// Errors of settling are ignored: they mean that the channel is gone, and the broker gives the message out again.
func (h *held) ack()     { h.settle.Do(func() { _ = h.delivery.Ack(false) }) }
func (h *held) requeue() { h.settle.Do(func() { _ = h.delivery.Nack(false, true) }) }

// start begins to consume. The handlers get the values of ctx but outlive it.
func (s *subscription) start(ctx context.Context, ended func(*subscription)) error {
	first, err := s.consumers.start(ctx, s.queue, s.options.Concurrency)
	if err != nil {
		return err
	}
	s.current = first
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer ended(s)
		defer close(s.done)
		defer s.cancel()
		s.run(ctx, first)
		s.handlers.Wait()
	}()
	return nil
}

// Done implements [broker.Subscription].
func (s *subscription) Done() <-chan struct{} { return s.done }

// Close implements [broker.Subscription].
func (s *subscription) Close(ctx context.Context) error {
	s.stop.Do(func() {
		close(s.stopping)
		go s.awaitHandlers()
	})
	ended := s.idle // a broker that does not answer is not worth waiting for
	if s.cancelConsumer(ctx) {
		ended = s.done
	}
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return s.abandon(ctx)
	}
}

// awaitHandlers closes idle once all slots are taken: no handler runs then, and none begins any more. It ends with
// them.
func (s *subscription) awaitHandlers() {
	for range cap(s.slots) {
		s.slots <- struct{}{}
	}
	close(s.idle)
}

// cancelConsumer tells the broker to deliver no more, and reports whether it has agreed.
func (s *subscription) cancelConsumer(ctx context.Context) bool {
	running := s.detach()
	if running == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, goodbyeTimeout)
	defer cancel()
	_, err := await(ctx, s.consumers.calls, func() (struct{}, error) {
		s.consumers.stop(running)
		return struct{}{}, nil
	}, func(struct{}) {})
	if err != nil {
		s.logger.Debug("consumer not cancelled in time", logging.KeyQueue, s.queue, logging.KeyError, err)
	}
	return err == nil
}

// abandon gives what is being handled back, and ends the handlers.
func (s *subscription) abandon(ctx context.Context) error {
	for _, h := range s.unfinished() { // first, or a handler that ends because of cancel counts as having finished
		h.requeue()
	}
	s.cancel()
	return fmt.Errorf("close subscription of %s: not finished: %w", s.queue, ctx.Err())
}

// run handles what the consumers of this subscription deliver, until Close or until the queue is gone.
func (s *subscription) run(ctx context.Context, next *consumer) {
	for next != nil {
		for d := range next.deliveries {
			s.begin(ctx, &held{delivery: d, from: next})
		}
		if s.detach() != nil { // not ended by Close
			s.consumers.leave(next.shared)
		}
		next = s.resume(ctx)
	}
}

// begin starts a handler, or gives the delivery back when the subscription is stopping.
func (s *subscription) begin(ctx context.Context, h *held) {
	select {
	case <-s.stopping:
		h.requeue()
		return
	default:
	}
	select {
	case s.slots <- struct{}{}:
	case <-s.stopping:
		h.requeue()
		return
	}
	s.hold(h)
	s.handlers.Go(func() {
		defer func() { <-s.slots }()
		defer s.drop(h)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(h.from.lost, cancel)() //nolint:contextcheck // it may end for either reason
		s.retrier.handle(ctx, s, h)
	})
}

// resume starts a consumer after the last one was lost. It is nil when there is nothing to consume any more.
func (s *subscription) resume(ctx context.Context) *consumer {
	for failures := 0; ; failures++ {
		select {
		case <-s.stopping:
			return nil
		default:
		}
		next, err := s.consumers.start(ctx, s.queue, s.options.Concurrency)
		switch {
		case err == nil && s.attach(next):
			return next
		case err == nil: // closed meanwhile
			s.consumers.stop(next)
			return nil
		case errors.Is(err, broker.ErrNotFound), errors.Is(err, broker.ErrClosed):
			return nil
		}
		s.logger.Debug("subscription waits for the broker", logging.KeyQueue, s.queue, logging.KeyError, err)
		if !sleep(s.stopping, backoff(failures)) {
			return nil
		}
	}
}

// attach makes next the present consumer, unless the subscription is stopping.
func (s *subscription) attach(next *consumer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.stopping:
		return false
	default:
		s.current = next
		return true
	}
}

// detach takes the present consumer; the one caller that gets it ends it.
func (s *subscription) detach() *consumer {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.current
	s.current = nil
	return taken
}

func (s *subscription) hold(h *held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[h] = struct{}{}
}

func (s *subscription) drop(h *held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, h)
}

func (s *subscription) unfinished() []*held {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*held, 0, len(s.held))
	for h := range s.held {
		list = append(list, h)
	}
	return list
}

// bounds makes sense of options that ask for less than one.
func bounds(o broker.SubscribeOptions) broker.SubscribeOptions {
	return broker.SubscribeOptions{Concurrency: max(o.Concurrency, 1), MaxAttempts: max(o.MaxAttempts, 1)}
}
