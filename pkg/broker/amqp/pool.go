package amqp

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"github.com/orkestro/orkestro/pkg/broker"
)

// channel is a channel of a pool; closed gets the reason when it ends, returned what the broker sends back of what was
// published on it.
type channel struct {
	*amqp091.Channel
	closed   chan *amqp091.Error
	returned chan amqp091.Return
}

// pool lends channels of one link, each to one call at a time: when the broker refuses a call it closes the channel,
// and nobody else must suffer from that. Channels are opened when first needed and kept.
type pool struct {
	link    *link
	prepare func(*amqp091.Channel) error // done once with each new channel; nil: nothing
	slots   chan struct{}
	calls   *sync.WaitGroup

	mu   sync.Mutex
	idle []*channel
}

func newPool(l *link, size int, calls *sync.WaitGroup, prepare func(*amqp091.Channel) error) *pool {
	return &pool{link: l, prepare: prepare, slots: make(chan struct{}, size), calls: calls}
}

// do runs use with a channel. use must not keep it.
func (p *pool) do(ctx context.Context, use func(*channel) error) error {
	_, err := lend(ctx, p, func(ch *channel) (struct{}, error) { return struct{}{}, use(ch) })
	return err
}

// lend is [pool.do] for calls with a result.
func lend[T any](ctx context.Context, p *pool, use func(*channel) (T, error)) (T, error) {
	var none T
	// Asked first, so that in an outage no call waits longer than patience, however many there are.
	if _, err := p.link.connection(ctx); err != nil {
		return none, err
	}
	if err := p.reserve(ctx); err != nil {
		return none, err
	}
	return await(ctx, p.calls, func() (T, error) {
		defer func() { <-p.slots }()
		ch, err := p.take(ctx)
		if err != nil {
			return none, err
		}
		defer p.give(ch)
		return use(ch)
	}, func(T) {})
}

// reserve waits for the turn of a call.
func (p *pool) reserve(ctx context.Context) error {
	select {
	case p.slots <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(callTimeout)
	defer timer.Stop()
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-timer.C:
		return fmt.Errorf("%w: too many calls waiting", broker.ErrUnavailable)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take is an idle channel, or a new one.
func (p *pool) take(ctx context.Context) (*channel, error) {
	if ch := p.takeIdle(); ch != nil {
		return ch, nil
	}
	connection, err := p.link.connection(ctx)
	if err != nil {
		return nil, err
	}
	opened, err := connection.Channel()
	if err != nil {
		return nil, err
	}
	ch := &channel{
		Channel: opened, closed: opened.NotifyClose(make(chan *amqp091.Error, 1)),
		returned: opened.NotifyReturn(make(chan amqp091.Return, 1)),
	}
	if p.prepare != nil {
		if err := p.prepare(opened); err != nil {
			_ = opened.Close() // lost for the first reason already
			return nil, err
		}
	}
	return ch, nil
}

func (p *pool) takeIdle() *channel {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		ch := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if !ch.IsClosed() {
			return ch
		}
	}
	return nil
}

func (p *pool) give(ch *channel) {
	if ch.IsClosed() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, ch)
}
