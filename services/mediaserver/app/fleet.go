package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/amqp"
	nouns "github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/health"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/tracing"
	"github.com/orkestro/orkestro/services/mediaserver/internal/announce"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// storeCloseTimeout bounds the goodbye to the database.
const storeCloseTimeout = 2 * time.Second

// fleet is a server's membership of a fleet.
type fleet struct {
	cfg    Config
	server nouns.MediaServer
	log    *slog.Logger
	broker broker.Broker
	owned  bool // the broker is ours to close
	events *announce.Events

	database     atomic.Pointer[store.Store]           // nil until it is there
	registration atomic.Pointer[announce.Registration] // likewise
	stopMember   context.CancelCauseFunc
	member       sync.WaitGroup // registration
	renewing     sync.WaitGroup // of its membership, within it
	stopEvents   context.CancelFunc
	publishing   sync.WaitGroup
}

func newFleet(
	ctx context.Context, cfg Config, deps Deps, server nouns.MediaServer, tracer *tracing.Tracer, log *slog.Logger,
) (*fleet, error) {
	if err := cfg.present(&server); err != nil {
		return nil, err
	}
	f := &fleet{cfg: cfg, server: server, log: log, broker: deps.Broker}
	if f.broker == nil {
		opened, err := amqp.Open(ctx, amqp.Config{
			URL: cfg.AMQPURL, ConnectionName: string(cfg.ID),
		}, log)
		if err != nil {
			return nil, fmt.Errorf("--amqp-url (ORKESTRO_AMQP_URL): %w", err)
		}
		f.broker, f.owned = opened, true
	}
	f.events = announce.NewEvents(tracer.Broker(f.broker), log)
	return f, nil
}

// start registers the server, as soon as there is a database, and publishes events, until leave and close.
func (f *fleet) start(ctx context.Context, stats func() media.Stats) {
	var member, publishing context.Context
	member, f.stopMember = context.WithCancelCause(ctx)
	publishing, f.stopEvents = context.WithCancel(ctx)
	f.member.Go(func() { f.register(member, stats) })
	f.publishing.Go(func() { f.events.Run(publishing) })
}

// register is a member of the fleet until ctx ends, or another process takes the place.
func (f *fleet) register(ctx context.Context, stats func() media.Stats) {
	var db *store.Store
	err := announce.Retry(ctx, f.log, "open the database", func(ctx context.Context) (err error) {
		db, err = store.Open(ctx, f.cfg.MongoURL, f.cfg.MongoDatabase)
		return err
	})
	if err != nil {
		return
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeCloseTimeout)
		defer cancel()
		_ = db.Close(ctx)
	}()
	members := registry{db.MediaServers, db.Audit, f.cfg.MembershipFile}
	registration := announce.NewRegistration(members, f.server, stats, f.log)
	f.database.Store(db)
	f.registration.Store(registration)
	renewing, stopRenewing := context.WithCancel(ctx)
	defer f.renewing.Wait()
	defer stopRenewing()
	f.renewing.Go(func() { f.renewMembership(renewing, db.MediaServers) })
	if err := registration.Run(ctx); err != nil {
		f.log.Error("this server has left the fleet", logging.KeyError, err)
	}
}

// checks are what a member of a fleet needs to be ready.
func (f *fleet) checks() []health.Check {
	return []health.Check{
		{Name: "registration", Check: func(ctx context.Context) error {
			if r := f.registration.Load(); r != nil {
				return r.Ready(ctx)
			}
			return errors.New("the database was not reached yet")
		}},
		{Name: "broker", Check: func(context.Context) error { return f.broker.Ready() }},
	}
}

// leave tells the fleet that this server is going.
func (f *fleet) leave() {
	f.stopMember(nil)
	f.member.Wait()
}

// die ends registration and publishing without a word to anybody; leave and close then wait for what is left of them.
func (f *fleet) die() {
	f.stopMember(ErrKilled)
	f.stopEvents()
}

// close ends the publishing of events, and the broker if it is ours.
func (f *fleet) close() error {
	f.stopEvents()
	f.publishing.Wait()
	if f.owned {
		return f.broker.Close()
	}
	return nil
}
