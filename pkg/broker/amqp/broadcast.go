package amqp

import (
	"context"
	"fmt"

	"github.com/rabbitmq/amqp091-go"

	"github.com/orkestro/orkestro/pkg/broker"
)

// broadcaster publishes to fan-out exchanges. A message for an exchange that does not exist costs the channel, and with
// it the confirmation of everything else under way on it; so each has a pooled channel to itself until it is confirmed.
type broadcaster struct{ pool *pool }

// confirmMode prepares the channels of the pool.
func confirmMode(ch *amqp091.Channel) error { return ch.Confirm(false) }

// broadcast puts m on every queue bound to exchange and returns when the broker has confirmed it.
func (b *broadcaster) broadcast(ctx context.Context, exchange string, m amqp091.Publishing) error {
	return b.pool.do(ctx, func(ch *channel) error {
		confirmation, err := ch.PublishWithDeferredConfirm(exchange, "", false, false, m)
		if err != nil {
			return err
		}
		switch {
		case confirmation.Wait():
			return nil
		case ch.IsClosed():
			return fmt.Errorf("not confirmed: %w", describe(<-ch.closed))
		default:
			return broker.ErrFull
		}
	})
}
