package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/health"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/membership"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/services/restapi/internal/api"
	"github.com/orkestro/orkestro/services/restapi/internal/auth"
	"github.com/orkestro/orkestro/services/restapi/internal/idempotency"
	"github.com/orkestro/orkestro/services/restapi/internal/mailbox"
	"github.com/orkestro/orkestro/services/restapi/internal/ratelimit"
	"github.com/orkestro/orkestro/services/restapi/internal/request"
)

const (
	// heartbeatPeriod and presencePeriod are how often the replica says that it, and its users, are there. Presence has
	// a grace time of many seconds.
	heartbeatPeriod = 2 * time.Second
	presencePeriod  = 3 * time.Second
	// recently is for how long after its last poll a user counts as heard of.
	recently = presencePeriod + time.Second
)

// replica is the parts of one REST replica.
type replica struct {
	id        string
	version   string
	store     *store.Store
	requests  *request.Client
	mailboxes *mailbox.Pool
	broker    broker.Broker
	handler   http.Handler
	log       *slog.Logger
	stopDelay time.Duration
	stopping  atomic.Bool
}

func newReplica(
	cfg Config, messages broker.Broker, database *store.Store, seen observed, log *slog.Logger,
) (*replica, error) {
	keys, err := auth.ParseKeys(cfg.APIKeys)
	if err != nil {
		return nil, err
	}
	tokens, err := auth.NewTokens([]byte(cfg.TokenSecret), time.Now)
	if err != nil {
		return nil, err
	}
	registry := seen.metrics
	health.WatchDependencies(registry,
		health.Check{Name: "broker", Check: func(context.Context) error { return messages.Ready() }},
		health.Check{Name: "database", Check: database.Ping})
	r := &replica{
		id: cfg.ID, version: cfg.Build.Version(), store: database, broker: messages, log: log, stopDelay: cfg.StopDelay,
	}
	r.mailboxes = mailbox.NewPool(messages,
		mailbox.Config{Replica: cfg.ID, Max: cfg.MaxMailboxes, Idle: cfg.MailboxIdle},
		mailbox.NewCursors([]byte(cfg.TokenSecret)), mailbox.NewMetrics(registry), log)
	r.requests = request.New(messages, cfg.ID, r.mailboxes.Notice, log)
	r.requests.Register(registry)
	r.handler = api.New(api.Deps{
		Store: database, Broker: messages, Requests: r.requests, Mailboxes: r.mailboxes,
		Auth: auth.NewAuthenticator(keys, tokens), Tokens: tokens,
		UserLimit: ratelimit.New(cfg.UserRate, cfg.UserBurst, time.Now),
		KeyLimit:  ratelimit.New(cfg.KeyRate, cfg.KeyBurst, time.Now),
		Keys:      idempotency.New(database.Idempotency, time.Now, log),
		Registry:  registry, Tracer: seen.tracer, Checks: r.checks(messages), Settings: settings(cfg), Log: log,
		Now:         time.Now,
		CORSOrigins: cfg.CORSOrigins,
	})
	return r, nil
}

func settings(cfg Config) api.Settings {
	return api.Settings{
		ICEServers: cfg.ICE.Servers(), EmptyTimeout: cfg.EmptyTimeout, TokenTTL: cfg.TokenTTL,
		Version: cfg.Build.Version(), Membership: membership.Key(strings.TrimSpace(cfg.MembershipKey)),
	}
}

func (r *replica) checks(messages broker.Broker) []health.Check {
	return []health.Check{
		{Name: "running", Check: func(context.Context) error {
			if r.stopping.Load() {
				return errors.New("the replica is stopping")
			}
			return nil
		}},
		{Name: "broker", Check: func(context.Context) error { return messages.Ready() }},
		{Name: "replies", Check: func(context.Context) error { return r.requests.Ready() }},
		{Name: "database", Check: r.store.Ping},
	}
}

// run serves until ctx ends or the entrance fails.
func (r *replica) run(ctx context.Context, door *entrance) error {
	parts, stopParts := context.WithCancel(context.WithoutCancel(ctx))
	defer stopParts()
	var group sync.WaitGroup
	group.Go(func() { r.requests.Run(parts) })
	group.Go(func() { r.register(parts) })
	group.Go(func() { r.touchPresence(parts) })
	door.lead(r.handler)

	var failed error
	select {
	case <-ctx.Done():
		failed = r.linger(ctx, door)
	case failed = <-door.failed:
	}
	failed = errors.Join(failed, r.stop(ctx, door))
	stopParts()
	group.Wait()
	r.unregister(ctx)
	return failed
}

// linger takes requests for a while after the replica has ceased to be ready, until load balancers have noticed. It
// returns the error that serving ended with meanwhile.
func (r *replica) linger(ctx context.Context, door *entrance) error {
	r.log.InfoContext(ctx, "stopping", "delay", r.stopDelay.String())
	r.stopping.Store(true)
	timer := time.NewTimer(r.stopDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case err := <-door.failed:
		return err
	}
}

// stop ends the requests in hand and gives the mailboxes back.
func (r *replica) stop(ctx context.Context, door *entrance) error {
	r.stopping.Store(true)
	var telling sync.WaitGroup
	telling.Go(func() { r.sayStopping(ctx) })
	defer telling.Wait()
	r.mailboxes.Drain()
	err := door.shutdown(context.WithoutCancel(ctx))
	r.mailboxes.Close()
	return err
}

func (r *replica) sayStopping(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTimeout)
	defer cancel()
	if err := r.store.RestAPIs.SetState(ctx, r.id, control.ReplicaStopping); err != nil {
		r.log.DebugContext(ctx, "a record could not be written", logging.KeyError, err)
	}
}

// unregister removes the record of this replica once nothing writes it any more.
func (r *replica) unregister(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTimeout)
	defer cancel()
	if err := r.store.RestAPIs.Remove(ctx, r.id); err != nil {
		r.log.WarnContext(ctx, "the record of this replica stays until somebody removes it", logging.KeyError, err)
	}
}

// register keeps the record of this replica, so that operators see it.
func (r *replica) register(ctx context.Context) {
	now := time.Now()
	record := control.Replica{
		ID: r.id, Service: "restapi", Version: r.version, StartedAt: now,
	}
	outage := store.NewOutage(r.log)
	registered, told := false, false
	r.every(ctx, heartbeatPeriod, func() error {
		var err error
		state := r.state()
		record.HeartbeatAt = time.Now()
		if registered && state == record.State {
			err = r.store.RestAPIs.Heartbeat(ctx, r.id, record.HeartbeatAt)
		} else {
			record.State = state
			err = r.store.RestAPIs.Register(ctx, record)
		}
		registered = err == nil
		if registered && !told {
			err = r.store.Audit.Started(ctx, record)
			told = err == nil
		}
		if ctx.Err() == nil {
			outage.Note(err)
		}
		return err
	})
}

// state says whether users can be served, apart from the database, which nobody could be told of without.
func (r *replica) state() string {
	switch {
	case r.stopping.Load():
		return control.ReplicaStopping
	case errors.Join(r.broker.Ready(), r.requests.Ready()) != nil:
		return control.ReplicaUnready
	default:
		return control.ReplicaReady
	}
}

// touchPresence says which users were heard of, and has those get a sync who lost something.
func (r *replica) touchPresence(ctx context.Context) {
	r.every(ctx, presencePeriod, func() error {
		active := r.mailboxes.Active(recently)
		users := make([]store.UserKey, len(active))
		for i, key := range active {
			users[i] = store.UserKey(key)
		}
		return errors.Join(r.store.Presence.Touch(ctx, users, time.Now()), r.syncBehind(ctx, users))
	})
}

// every calls f at once and then every period, until ctx ends. A failure is tried again with the next call.
func (r *replica) every(ctx context.Context, period time.Duration, f func() error) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		if err := f(); err != nil && ctx.Err() == nil {
			r.log.DebugContext(ctx, "a record could not be written", logging.KeyError, err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
