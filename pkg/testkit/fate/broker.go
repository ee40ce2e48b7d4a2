package fate

import (
	"context"

	"github.com/orkestro/orkestro/pkg/broker"
)

// Broker is a broker as a mortal process sees it: each declaration, binding, deletion and message is an effect. What it
// receives is none.
type Broker struct {
	broker.Broker
	Fate *Fate
}

// DeclareQueue implements broker.Topology.
func (b *Broker) DeclareQueue(ctx context.Context, q broker.Queue) error {
	return b.do("declare "+q.Name, func() error { return b.Broker.DeclareQueue(ctx, q) })
}

// DeleteQueue implements broker.Topology.
func (b *Broker) DeleteQueue(ctx context.Context, name string) error {
	return b.do("delete "+name, func() error { return b.Broker.DeleteQueue(ctx, name) })
}

// DeclareExchange implements broker.Topology.
func (b *Broker) DeclareExchange(ctx context.Context, name string) error {
	return b.do("declare "+name, func() error { return b.Broker.DeclareExchange(ctx, name) })
}

// DeleteExchange implements broker.Topology.
func (b *Broker) DeleteExchange(ctx context.Context, name string) error {
	return b.do("delete "+name, func() error { return b.Broker.DeleteExchange(ctx, name) })
}

// Bind implements broker.Topology.
func (b *Broker) Bind(ctx context.Context, queue, exchange string) error {
	return b.do("bind "+queue, func() error { return b.Broker.Bind(ctx, queue, exchange) })
}

// BindExchange implements broker.Topology.
func (b *Broker) BindExchange(ctx context.Context, inner, outer string) error {
	return b.do("bind "+inner, func() error { return b.Broker.BindExchange(ctx, inner, outer) })
}

// Send implements broker.Publisher.
func (b *Broker) Send(ctx context.Context, queue string, m broker.Message) error {
	return b.do("send "+m.Type+" to "+queue, func() error { return b.Broker.Send(ctx, queue, m) })
}

// Broadcast implements broker.Publisher.
func (b *Broker) Broadcast(ctx context.Context, exchange string, m broker.Message) error {
	return b.do("send "+m.Type+" to "+exchange, func() error { return b.Broker.Broadcast(ctx, exchange, m) })
}

func (b *Broker) do(what string, effect func() error) error {
	return b.Fate.Do(what, func() error {
		if b.Fate.gaveUp() {
			return ErrDied
		}
		return effect()
	})
}
