package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	api "go.opentelemetry.io/otel/trace"

	"github.com/orkestro/orkestro/pkg/broker"
)

// Broker is b with a span for each message that is sent, and each try to handle one, of what is traced. A message
// carries the span that sent it; a handler gets the one that it runs in.
func (t *Tracer) Broker(b broker.Broker) broker.Broker {
	if t == nil {
		return b
	}
	return &tracedBroker{Broker: b, tracer: t}
}

type tracedBroker struct {
	broker.Broker
	tracer *Tracer
}

// Send implements broker.Publisher.
func (b *tracedBroker) Send(ctx context.Context, queue string, m broker.Message) error {
	return b.publish(ctx, m, func(ctx context.Context, m broker.Message) error { return b.Broker.Send(ctx, queue, m) })
}

// Broadcast implements broker.Publisher.
func (b *tracedBroker) Broadcast(ctx context.Context, exchange string, m broker.Message) error {
	return b.publish(ctx, m, func(ctx context.Context, m broker.Message) error {
		return b.Broker.Broadcast(ctx, exchange, m)
	})
}

func (b *tracedBroker) publish(
	ctx context.Context, m broker.Message, publish func(context.Context, broker.Message) error,
) error {
	parent, traced := under(ctx, m.TraceParent)
	if !traced {
		return publish(ctx, m)
	}
	ctx, s := b.tracer.start(parent, "publish "+m.Type, api.SpanKindProducer, describe(m, "send")...)
	m.TraceParent = parentOf(ctx)
	err := publish(ctx, m)
	s.end(err)
	return err
}

// Subscribe implements broker.Consumer.
func (b *tracedBroker) Subscribe(
	ctx context.Context, queue string, o broker.SubscribeOptions, h broker.Handler,
) (broker.Subscription, error) {
	return b.Broker.Subscribe(ctx, queue, o, func(ctx context.Context, d broker.Delivery) error {
		parent, traced := under(ctx, d.TraceParent)
		if !traced {
			return h(ctx, d)
		}
		ctx, s := b.tracer.start(parent, "handle "+d.Type, api.SpanKindConsumer,
			append(describe(d.Message, "process"), attribute.Int("orkestro.attempts", d.Attempts))...)
		d.TraceParent = parentOf(ctx)
		err := h(ctx, d)
		s.end(err)
		return err
	})
}

// describe is what a span says of a message: its envelope, nothing of its body.
func describe(m broker.Message, operation string) []attribute.KeyValue {
	attributes := []attribute.KeyValue{
		attribute.String("messaging.system", "rabbitmq"), attribute.String("messaging.operation.type", operation),
		attribute.String("messaging.message.id", m.ID), attribute.String("orkestro.message.type", m.Type),
	}
	if m.Session != "" {
		attributes = append(attributes, attribute.String("orkestro.session.id", m.Session))
	}
	if m.User != "" {
		attributes = append(attributes, attribute.String("orkestro.user.id", m.User))
	}
	return attributes
}
