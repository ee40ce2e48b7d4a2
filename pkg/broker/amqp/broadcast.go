package amqp

import (
	"context"
	"fmt"

	"github.com/rabbitmq/amqp091-go"

	"github.com/orkestro/orkestro/pkg/broker"
)

// broadcaster publishes to fan-out exchanges. A message for an exchange that does not exist costs the channel, and with
// it the confirmation of everything else under way on it; so each has a pooled channel to itself until it is confirmed.
// One that no queue takes comes back before its confirmation, so it is in returned by then.
type broadcaster struct{ pool *pool }

// confirmMode prepares the channels of the pool.
func confirmMode(ch *amqp091.Channel) error { return ch.Confirm(false) }

// broadcast puts m on every queue bound to exchange and returns when the broker has confirmed it.
func (b *broadcaster) broadcast(ctx context.Context, exchange string, m amqp091.Publishing) error {
	return b.pool.do(ctx, func(ch *channel) error {
		confirmation, err := ch.PublishWithDeferredConfirm(exchange, "", true, false, m)
		if err != nil {
			return err
		}
		switch {
		case confirmation.Wait():
			return unrouted(ch)
		case ch.IsClosed():
			return fmt.Errorf("not confirmed: %w", describe(<-ch.closed))
		default:
			return broker.ErrFull
		}
	})
}

// unrouted reports whether the message that was confirmed last came back.
func unrouted(ch *channel) error {
	select {
	case <-ch.returned:
		return broker.ErrUnroutable
	default:
		return nil
	}
}
