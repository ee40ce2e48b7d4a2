package amqp

import (
	"context"

	"github.com/rabbitmq/amqp091-go"
)

// InspectExchange implements [broker.Inspector].
func (t *topology) InspectExchange(ctx context.Context, exchange string) error {
	err := t.pool.do(ctx, func(ch *channel) error {
		return ch.ExchangeDeclarePassive(exchange, amqp091.ExchangeFanout, true, false, false, false, nil)
	})
	return wrap(err, "inspect exchange", exchange)
}
