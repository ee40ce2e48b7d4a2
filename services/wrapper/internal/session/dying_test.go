package session_test

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// dying is a Wrapper that dies before its step number left: from then on nothing it sends or asks has any effect.
type dying struct {
	*world
	session.Broker
	left int
	died bool
}

var errDied = control.Errorf(control.CodeUnavailable, "this Wrapper died")

func newDying(w *world, steps int) *dying { return &dying{world: w, Broker: w.broker, left: steps} }

func (d *dying) service() *session.Service {
	return session.New(session.Config{MaxFailures: 2, Forget: time.Hour, Replica: "d"}, d.store, d, d,
		session.NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
}

// step is nil while the Wrapper lives.
func (d *dying) step() error {
	d.left--
	if d.left < 0 {
		d.died = true
		return errDied
	}
	return nil
}

func (d *dying) Send(ctx context.Context, queue string, m broker.Message) error {
	if err := d.step(); err != nil {
		return err
	}
	return d.Broker.Send(ctx, queue, m)
}

func (d *dying) Broadcast(ctx context.Context, exchange string, m broker.Message) error {
	if err := d.step(); err != nil {
		return err
	}
	return d.Broker.Broadcast(ctx, exchange, m)
}

func (d *dying) Bind(ctx context.Context, queue, exchange string) error {
	if err := d.step(); err != nil {
		return err
	}
	return d.Broker.Bind(ctx, queue, exchange)
}

func (d *dying) DeleteQueue(ctx context.Context, name string) error {
	if err := d.step(); err != nil {
		return err
	}
	return d.Broker.DeleteQueue(ctx, name)
}

func (d *dying) Servers() []control.MediaServer { return d.fleet.Servers() }

func (d *dying) Saw(server control.MediaServer) { d.fleet.Saw(server) }

func (d *dying) Media(ctx context.Context, id control.MediaServerID) (session.Media, error) {
	if err := d.step(); err != nil {
		return nil, err
	}
	return d.fleet.Media(ctx, id)
}
