package amqp

import (
	"context"
	"fmt"

	"github.com/rabbitmq/amqp091-go"

	"github.com/orkestro/orkestro/pkg/broker"
)

// topology implements [broker.Topology] and Inspect on a pool of channels.
type topology struct{ pool *pool }

// DeclareQueue implements [broker.Topology]: a durable classic queue that refuses what is beyond its bound.
func (t *topology) DeclareQueue(ctx context.Context, q broker.Queue) error {
	err := t.pool.do(ctx, func(ch *channel) error {
		_, err := ch.QueueDeclare(q.Name, true, false, false, false, arguments(q))
		return err
	})
	return wrap(err, "declare queue", q.Name)
}

// DeleteQueue implements [broker.Topology].
func (t *topology) DeleteQueue(ctx context.Context, name string) error {
	err := t.pool.do(ctx, func(ch *channel) error {
		_, err := ch.QueueDelete(name, false, false, false)
		return err
	})
	return wrap(err, "delete queue", name)
}

// DeclareExchange implements [broker.Topology].
func (t *topology) DeclareExchange(ctx context.Context, name string) error {
	err := t.pool.do(ctx, func(ch *channel) error {
		return ch.ExchangeDeclare(name, amqp091.ExchangeFanout, true, false, false, false, nil)
	})
	return wrap(err, "declare exchange", name)
}

// DeleteExchange implements [broker.Topology].
func (t *topology) DeleteExchange(ctx context.Context, name string) error {
	err := t.pool.do(ctx, func(ch *channel) error { return ch.ExchangeDelete(name, false, false) })
	return wrap(err, "delete exchange", name)
}

// Bind implements [broker.Topology].
func (t *topology) Bind(ctx context.Context, queue, exchange string) error {
	err := t.pool.do(ctx, func(ch *channel) error { return ch.QueueBind(queue, "", exchange, false, nil) })
	return wrap(err, "bind to "+exchange+" queue", queue)
}

// BindExchange implements [broker.Topology] by RabbitMQ's exchange to exchange bindings.
func (t *topology) BindExchange(ctx context.Context, inner, outer string) error {
	err := t.pool.do(ctx, func(ch *channel) error { return ch.ExchangeBind(inner, "", outer, false, nil) })
	return wrap(err, "bind to "+outer+" exchange", inner)
}

// Inspect implements [broker.Consumer].
func (t *topology) Inspect(ctx context.Context, queue string) (broker.Info, error) {
	info, err := lend(ctx, t.pool, func(ch *channel) (broker.Info, error) {
		q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		return broker.Info{Messages: q.Messages, Consumers: q.Consumers}, err
	})
	return info, wrap(err, "inspect queue", queue)
}

// arguments are what RabbitMQ calls the optional arguments of a queue.
func arguments(q broker.Queue) amqp091.Table {
	table := amqp091.Table{amqp091.QueueTypeArg: amqp091.QueueTypeClassic}
	if q.Expires > 0 {
		table[amqp091.QueueTTLArg] = max(q.Expires.Milliseconds(), 1)
	}
	if q.MaxLength > 0 {
		table[amqp091.QueueMaxLenArg] = int64(q.MaxLength)
		table[amqp091.QueueOverflowArg] = amqp091.QueueOverflowRejectPublish
	}
	if q.Exclusive {
		table[amqp091.SingleActiveConsumerArg] = true
	}
	return table
}

func wrap(err error, doing, name string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", doing, name, err)
}
