// Package deadletter lets an operator look at the messages that were given up, send them where they came from again, or
// drop them. The commands `orkestro dead` call it; it knows message bodies only as bytes.
//
// Looking takes the messages out of the queue for a moment without acknowledging them: whoever looks holds them, and
// the broker puts them back in their old order when the reader closes or dies. Only a message that was passed on, and
// confirmed, or is dropped, is acknowledged; whoever dies in between has sent it twice, which is harmless: handlers are
// idempotent by the message's id.
package deadletter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
)

// MaxLimit is how many messages can be looked at: a channel of AMQP holds no more unacknowledged.
const MaxLimit = 60_000

// patience is how long the next message may take. Somebody else who looks at the same moment holds messages that were
// counted.
const patience = 2 * time.Second

// Broker is what a queue needs of the message broker.
type Broker interface {
	Send(ctx context.Context, queue string, m broker.Message) error
	OpenMailbox(ctx context.Context, queue string, prefetch int) (broker.Mailbox, error)
	Inspect(ctx context.Context, queue string) (broker.Info, error)
}

// Queue is the dead-letter queue.
type Queue struct{ broker Broker }

// New is the queue on a broker.
func New(b Broker) *Queue { return &Queue{broker: b} }

// verdict is what becomes of a message that was looked at.
type verdict int

const (
	keep verdict = iota
	remove
	stop // keep it, and look no further
)

// each calls look with the oldest messages, at most limit, and gives how many there are. A queue that was never needed
// has none.
func (q *Queue) each(
	ctx context.Context, limit int, look func(broker.Message) (verdict, error),
) (total int, err error) {
	info, err := q.broker.Inspect(ctx, broker.DeadLetterQueue)
	if errors.Is(err, broker.ErrNotFound) || err == nil && info.Messages == 0 {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	limit = min(limit, info.Messages, MaxLimit)
	mailbox, err := q.broker.OpenMailbox(ctx, broker.DeadLetterQueue, limit)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, giveBack(mailbox)) }()
	for range limit {
		d, ok, err := next(ctx, mailbox)
		if err != nil || !ok {
			return info.Messages, err
		}
		judged, err := look(d.Message)
		if err != nil {
			return info.Messages, err
		}
		if judged == stop {
			break
		}
		if judged == remove {
			if err := d.Ack(); err != nil {
				return info.Messages, fmt.Errorf("remove message %s: %w", d.ID, err)
			}
		}
	}
	return info.Messages, nil
}

// next is the next message, if it comes soon.
func next(ctx context.Context, mailbox broker.Mailbox) (d broker.MailboxDelivery, ok bool, err error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case d, ok = <-mailbox.Deliveries():
		if !ok {
			return d, false, fmt.Errorf("read the dead-letter queue: %w", broker.ErrUnavailable)
		}
		return d, true, nil
	case <-timer.C:
		return d, false, nil
	case <-ctx.Done():
		return d, false, ctx.Err()
	}
}

// giveBack puts everything that was only looked at back.
func giveBack(mailbox broker.Mailbox) error {
	err := mailbox.Close()
	for range mailbox.Deliveries() { // what was still on its way here is back, too
		continue
	}
	return err
}
