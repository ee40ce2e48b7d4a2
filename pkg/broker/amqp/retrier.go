package amqp

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/internal/attempt"
	"github.com/orkestro/orkestro/pkg/logging"
)

// retryTimeout bounds moving a message whose handler failed.
const retryTimeout = 2 * callTimeout

// retrier decides what becomes of a message whose handler failed. RabbitMQ itself only knows whether a message of a
// classic queue was delivered before, not how often; so the count travels in a header, and a message that is tried
// again is put at the end of its queue with one more attempt counted before the old copy is acknowledged.
type retrier struct {
	send        func(ctx context.Context, queue string, m broker.Message, attempts int) error
	declareDead func(ctx context.Context) error
	logger      *slog.Logger
}

// handle tries a delivery of s once and settles it. One that is lost meanwhile is left to who gets it next: ctx ends
// with it.
func (r *retrier) handle(ctx context.Context, s *subscription, h *held) {
	if h.lost() {
		return
	}
	m, attempts := decode(&h.delivery)
	limit := s.options.MaxAttempts
	if h.delivery.Redelivered {
		attempts++ // it was lost with its consumer; counted for good before it can be lost again
		if attempts < limit && r.move(ctx, s.queue, m, attempts) == nil {
			h.ack()
			return
		}
	}
	if attempts >= limit {
		r.giveUp(ctx, s, h, m, attempts, attempt.Lost(attempts))
		return
	}
	err := s.handler(ctx, broker.Delivery{Message: m, Attempts: attempts})
	switch {
	case err == nil:
		h.ack()
	case h.lost():
		r.logger.Debug("message lost with its channel", logging.KeyQueue, s.queue, logging.KeyRequest, m.ID)
	case attempt.GiveUp(err, attempts, limit):
		r.giveUp(ctx, s, h, m, attempts+1, err)
	default:
		r.retry(ctx, s, h, m, attempts, err)
	}
}

// retry puts a message that failed back after a delay, during which it is held.
func (r *retrier) retry(ctx context.Context, s *subscription, h *held, m broker.Message, attempts int, err error) {
	tries, delay := attempt.Failed(err, attempts)
	r.logger.Log(ctx, attempt.Level(err, attempts), "message failed, trying again",
		logging.KeyQueue, s.queue, logging.KeyRequest, m.ID, logging.KeyType, m.Type,
		"attempts", tries, logging.KeyError, err)
	if !sleep(s.stopping, delay) || h.lost() || r.move(ctx, s.queue, m, tries) != nil {
		h.requeue() // the broker marks it as redelivered, which counts as well
		return
	}
	h.ack()
}

// giveUp moves a message to the dead-letter queue.
func (r *retrier) giveUp(ctx context.Context, s *subscription, h *held, m broker.Message, tries int, err error) {
	m.Failure = attempt.Failure(s.queue, tries, err, time.Now())
	if moved := r.bury(ctx, m); moved != nil {
		r.logger.Warn("dead-letter queue does not take a message, trying again", logging.KeyQueue, s.queue,
			logging.KeyRequest, m.ID, logging.KeyError, moved)
		sleep(s.stopping, attempt.Delay(tries))
		h.requeue()
		return
	}
	h.ack()
	r.logger.Error("message given up", logging.KeyQueue, s.queue, logging.KeyRequest, m.ID,
		logging.KeyType, m.Type, "attempts", tries, logging.KeyError, err)
}

// bury sends m to the dead-letter queue, which is declared when it turns out to be missing.
func (r *retrier) bury(ctx context.Context, m broker.Message) error {
	err := r.move(ctx, broker.DeadLetterQueue, m, 0)
	if !errors.Is(err, broker.ErrUnroutable) {
		return err
	}
	if err := r.declareDead(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	return r.move(ctx, broker.DeadLetterQueue, m, 0)
}

// move sends a message even if the context of its handler has ended: it has to go somewhere.
func (r *retrier) move(ctx context.Context, queue string, m broker.Message, attempts int) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), retryTimeout)
	defer cancel()
	return r.send(ctx, queue, m, attempts)
}
