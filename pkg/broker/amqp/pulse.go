package amqp

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rabbitmq/amqp091-go"

	"github.com/orkestro/orkestro/pkg/logging"
)

const (
	pulseEvery = time.Second
	// silence is how long a broker that is connected may leave a question without an answer before it counts as away.
	// Chosen: well above what a busy one needs; the heartbeats of the connection take far longer to tell.
	silence = 2 * time.Second
)

// pulse asks the broker for a sign of life again and again. A broker that is stopped, or cut off, leaves its
// connections open: nothing else would tell for a while that it does not work.
type pulse struct {
	topology *topology
	outage   *logging.Outage
	asked    atomic.Int64 // when the oldest question was asked that has no answer yet (Unix, ns); 0: all have
}

// run asks until ctx ends.
func (p *pulse) run(ctx context.Context) {
	for sleep(ctx.Done(), pulseEvery) {
		if p.topology.pool.link.ready() != nil { // whatever was asked will not be answered any more
			p.asked.Store(0)
			continue
		}
		p.asked.CompareAndSwap(0, time.Now().UnixNano())
		late := time.AfterFunc(silence, func() { p.outage.Away("pulse", p.ready()) })
		err := p.ask(ctx)
		if late.Stop(); err == nil {
			p.asked.Store(0)
			p.outage.There("pulse")
		}
	}
}

func (p *pulse) ask(ctx context.Context) error {
	return p.topology.pool.do(ctx, func(ch *channel) error {
		return ch.ExchangeDeclarePassive("amq.fanout", amqp091.ExchangeFanout, true, false, false, false, nil)
	})
}

// ready is nil while the broker answers.
func (p *pulse) ready() error {
	asked := p.asked.Load()
	if waited := time.Since(time.Unix(0, asked)); asked != 0 && waited >= silence {
		return fmt.Errorf("no answer for %s", waited.Round(time.Second))
	}
	return nil
}
