package session_test

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// stepping is one delivery that is being handled by a Wrapper of its own, which stops before each call of the broker and
// of a media server until it is let on or killed. So a test decides in which order the steps of several deliveries
// happen.
type stepping struct {
	*world
	session.Broker
	cancel context.CancelFunc
	turns  chan bool  // true: go on, false: die
	paused chan error // a nil for every stop; at the end the handler's result
	done   bool       // the last value of paused was the result
	dead   bool
	err    error
	at     string // the call that it stopped before
}

// step lets the handler run until it stops next or ends.
func begin(w *world, handle func(ctx context.Context, s *session.Service) error) *stepping {
	ctx, cancel := context.WithCancel(w.ctx)
	p := &stepping{world: w, Broker: w.broker, cancel: cancel, turns: make(chan bool), paused: make(chan error)}
	service := session.New(session.Config{MaxFailures: 2, Forget: time.Hour, Replica: "s"}, w.store, p, p,
		session.NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	go func() {
		err := handle(ctx, service)
		p.done = true
		p.paused <- err
	}()
	p.wait()
	return p
}

// advance lets the handler take one step.
func (p *stepping) advance() {
	p.turns <- true
	p.wait()
}

// kill ends the Wrapper: nothing that it does from now on has any effect.
func (p *stepping) kill() {
	p.cancel()
	p.dead = true
	for !p.done {
		p.turns <- false
		p.wait()
	}
}

func (p *stepping) wait() {
	p.err = <-p.paused
	if p.done {
		p.cancel()
	}
}

func (p *stepping) step(at string) error {
	p.at = at
	p.paused <- nil
	if <-p.turns {
		return nil
	}
	return errDied
}

func stepped[T any](p *stepping, at string, call func() (T, error)) (T, error) {
	if err := p.step(at); err != nil {
		var none T
		return none, err
	}
	return call()
}

func (p *stepping) do(at string, call func() error) error {
	if err := p.step(at); err != nil {
		return err
	}
	return call()
}

func (p *stepping) Send(ctx context.Context, queue string, m broker.Message) error {
	return p.do("send "+m.Type+" to "+queue, func() error { return p.Broker.Send(ctx, queue, m) })
}

func (p *stepping) Broadcast(ctx context.Context, exchange string, m broker.Message) error {
	return p.do("broadcast "+m.Type, func() error { return p.Broker.Broadcast(ctx, exchange, m) })
}

func (p *stepping) DeclareQueue(ctx context.Context, q broker.Queue) error {
	return p.do("declare "+q.Name, func() error { return p.Broker.DeclareQueue(ctx, q) })
}

func (p *stepping) Bind(ctx context.Context, queue, exchange string) error {
	return p.do("bind "+queue+" to "+exchange, func() error { return p.Broker.Bind(ctx, queue, exchange) })
}

func (p *stepping) DeclareExchange(ctx context.Context, name string) error {
	return p.do("declare "+name, func() error { return p.Broker.DeclareExchange(ctx, name) })
}

func (p *stepping) BindExchange(ctx context.Context, inner, outer string) error {
	return p.do("bind "+inner+" to "+outer, func() error { return p.Broker.BindExchange(ctx, inner, outer) })
}

func (p *stepping) DeleteQueue(ctx context.Context, name string) error {
	return p.do("delete "+name, func() error { return p.Broker.DeleteQueue(ctx, name) })
}

func (p *stepping) DeleteExchange(ctx context.Context, name string) error {
	return p.do("delete "+name, func() error { return p.Broker.DeleteExchange(ctx, name) })
}

func (p *stepping) Servers() []control.MediaServer { return p.fleet.Servers() }

func (p *stepping) Saw(server control.MediaServer) { p.fleet.Saw(server) }

func (p *stepping) Media(ctx context.Context, id control.MediaServerID) (session.Media, error) {
	media, err := p.fleet.Media(ctx, id)
	return &steppingMedia{Media: media, p: p}, err
}

// steppingMedia stops before the calls that have an effect.
type steppingMedia struct {
	session.Media
	p *stepping
}

func (m *steppingMedia) CreatePipeline(ctx context.Context, p mediaapi.PipelineParams) (string, error) {
	return stepped(m.p, "create a pipeline", func() (string, error) { return m.Media.CreatePipeline(ctx, p) })
}

func (m *steppingMedia) CreatePublishEndpoint(ctx context.Context, p mediaapi.EndpointParams) (string, error) {
	return stepped(m.p, "create a publish endpoint", func() (string, error) { return m.Media.CreatePublishEndpoint(ctx, p) })
}

func (m *steppingMedia) CreateSubscribeEndpoint(ctx context.Context, p mediaapi.EndpointParams) (string, error) {
	return stepped(m.p, "create a subscribe endpoint", func() (string, error) { return m.Media.CreateSubscribeEndpoint(ctx, p) })
}

func (m *steppingMedia) Release(ctx context.Context, id string) error {
	return m.p.do("release "+id, func() error { return m.Media.Release(ctx, id) })
}

func (m *steppingMedia) ProcessOffer(
	ctx context.Context, id string, o mediaapi.ProcessOffer,
) (mediaapi.ProcessedOffer, error) {
	return stepped(m.p, "process an offer on "+id, func() (mediaapi.ProcessedOffer, error) { return m.Media.ProcessOffer(ctx, id, o) })
}

func (m *steppingMedia) SetPaused(ctx context.Context, id string, o mediaapi.SetPaused) error {
	return m.p.do("set paused on "+id, func() error { return m.Media.SetPaused(ctx, id, o) })
}

func (m *steppingMedia) SetSubscriptions(ctx context.Context, id string, o mediaapi.SetSubscriptions) error {
	return m.p.do("set subscriptions on "+id, func() error { return m.Media.SetSubscriptions(ctx, id, o) })
}
