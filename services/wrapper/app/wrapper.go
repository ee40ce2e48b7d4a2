package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/health"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/mediaclient"
	"github.com/orkestro/orkestro/pkg/membership"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/tracing"
	"github.com/orkestro/orkestro/services/wrapper/internal/admission"
	"github.com/orkestro/orkestro/services/wrapper/internal/consume"
	"github.com/orkestro/orkestro/services/wrapper/internal/fleet"
	"github.com/orkestro/orkestro/services/wrapper/internal/liveness"
	"github.com/orkestro/orkestro/services/wrapper/internal/presence"
	"github.com/orkestro/orkestro/services/wrapper/internal/reconcile"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
	"github.com/orkestro/orkestro/services/wrapper/internal/watch"
)

// heartbeatPeriod is how often the Wrapper says that it is there.
const heartbeatPeriod = 2 * time.Second

// sayTimeout bounds saying that it stops.
const sayTimeout = time.Second

// wrapper is the parts of one Wrapper.
type wrapper struct {
	cfg    Config
	broker broker.Broker
	store  *store.Store
	pool   *mediaclient.Pool
	fleet  *fleet.Fleet
	log    *slog.Logger

	admission *admission.Keeper // nil: the fleet asks for no membership
}

func newWrapper(
	cfg Config, messages broker.Broker, database *store.Store, tracer *tracing.Tracer, logger *slog.Logger,
) *wrapper {
	pool := mediaclient.NewPool(mediaclient.PoolConfig{CallTimeout: cfg.RequestTimeout, Trace: tracer.Calls()}, logger)
	w := &wrapper{cfg: cfg, broker: messages, store: database, pool: pool, fleet: fleet.New(pool), log: logger}
	if key := membership.Key(strings.TrimSpace(cfg.MembershipKey)); key != "" {
		w.admission = admission.New(admission.Deps{
			Wrapper: cfg.ID, Key: key, Manifests: database.Membership, Servers: w.fleet.Servers, Audit: database.Audit,
			Log: logger,
		})
	}
	return w
}

// admit is why a media server is given no sessions, nil when the fleet asks for no membership.
func (w *wrapper) admit() func(control.MediaServer) string {
	if w.admission == nil {
		return nil
	}
	return w.admission.Admit
}

// run works until ctx ends or the probes fail.
func (w *wrapper) run(ctx context.Context, probes *probes) error {
	defer w.pool.Close()
	health.WatchDependencies(probes.registry, w.dependencies()...)
	queues := w.queues(probes.registry)
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	consuming, stopTasks := context.WithCancel(running)
	defer stopTasks()

	if w.admission != nil {
		w.admission.Register(probes.registry)
		w.admission.Look(ctx) // before the first request asks for it
	}
	var loops, tasks sync.WaitGroup
	w.startLoops(running, &loops, queues, newReads(probes.registry))
	leader := w.leader(queues, probes.registry)
	loops.Go(func() { leader.run(running) })
	tasks.Go(func() { queues.Tasks(consuming) })
	probes.ready(w.checks(queues)...)

	var failed error
	select {
	case <-ctx.Done():
	case failed = <-probes.failed:
	}
	w.log.Info("stopping")
	probes.ready()
	stopTasks()
	return errors.Join(failed, w.stop(ctx, queues, &tasks, stop, &loops))
}

// queues is what turns deliveries into calls of the session logic.
func (w *wrapper) queues(registry prometheus.Registerer) *watch.Queues {
	service := session.New(session.Config{
		ICEServers: w.cfg.ICE.Servers(), MaxFailures: w.cfg.MaxFailures, Forget: w.cfg.ForgetAfter, Replica: w.cfg.ID,
		Admit: w.admit(),
	}, w.store, w.broker, w.fleet, session.NewMetrics(registry), w.log)
	consumer := consume.New(consume.Config{
		Concurrency: w.cfg.Concurrency, MaxAttempts: w.cfg.MaxAttempts, Timeout: w.cfg.RequestTimeout, Needs: w.needs,
	}, service, w.broker, consume.NewMetrics(registry), w.log)
	queues := watch.New(w.broker, w.store.Sessions, consumer.Options(), consumer.Handle, w.log)
	queues.Register(registry)
	return queues
}

// startLoops starts what runs beside the requests.
func (w *wrapper) startLoops(ctx context.Context, group *sync.WaitGroup, queues *watch.Queues, counts reads) {
	reconciler := reconcile.New(w.cfg.ReconcilePeriod, w.cfg.ID, w.store, w.fleet, w.connect, w.broker, w.log)
	sweeper := presence.New(presence.Config{
		Every: w.cfg.SweepPeriod, Grace: w.cfg.GraceTime, EmptyTimeout: w.cfg.EmptyTimeout,
	}, w.store, w.broker, w.log)
	monitor := liveness.New(w.cfg.ID, w.fleet, w.pool, w.store, reconciler, w.log)

	group.Go(func() { // ends with ctx only
		_ = w.store.MediaServers.Watch(ctx, countedServers{w.fleet, counts.servers}, w.log)
	})
	group.Go(func() {
		_ = w.store.Sessions.WatchLive(ctx, countedSessions{queues, counts.sessions}, w.log)
	})
	group.Go(func() { monitor.Run(ctx) })
	group.Go(func() { reconciler.Run(ctx) })
	group.Go(func() { reconciler.EndRelocations(ctx) })
	group.Go(func() { sweeper.Run(ctx) })
	group.Go(func() { w.register(ctx) })
	if w.admission != nil {
		group.Go(func() { w.admission.Run(ctx) })
	}
}

// connect reaches a media server for the reconciler.
func (w *wrapper) connect(ctx context.Context, id control.MediaServerID) (reconcile.Server, error) {
	return w.fleet.Connect(ctx, id)
}

// needs is what every request needs.
func (w *wrapper) needs(ctx context.Context) error {
	return errors.Join(w.broker.Ready(), w.store.Ping(ctx))
}

func (w *wrapper) checks(queues *watch.Queues) []health.Check {
	return append(w.dependencies(), []health.Check{
		{Name: "tasks", Check: func(context.Context) error { return unless(queues.Consuming(), "not subscribed yet") }},
		{Name: "sessions", Check: func(context.Context) error { return unless(queues.Synced(), "not read yet") }},
	}...)
}

// dependencies is what the Wrapper does not have in itself.
func (w *wrapper) dependencies() []health.Check {
	return []health.Check{
		{Name: "broker", Check: func(context.Context) error { return w.broker.Ready() }},
		{Name: "database", Check: w.store.Ping},
	}
}

func unless(well bool, reason string) error {
	if well {
		return nil
	}
	return errors.New(reason)
}

// stop finishes what is in hand, then ends the loops. What does not end in time is left: its messages are not
// acknowledged, so another Wrapper gets them.
func (w *wrapper) stop(
	ctx context.Context, queues *watch.Queues, tasks *sync.WaitGroup, stopLoops func(), loops *sync.WaitGroup,
) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	var telling sync.WaitGroup
	telling.Go(func() { w.sayStopping(ctx) })
	defer telling.Wait()
	err := errors.Join(queues.Close(ctx), wait(ctx, "tasks", tasks))
	stopLoops()
	err = errors.Join(err, wait(ctx, "loops", loops))
	if err := w.store.Wrappers.Remove(ctx, w.cfg.ID); err != nil {
		w.log.Warn("the record of this replica stays until somebody removes it", slog.Any(logging.KeyError, err))
	}
	return err
}

// sayStopping puts into the record of this Wrapper that it stops.
func (w *wrapper) sayStopping(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, sayTimeout)
	defer cancel()
	if err := w.store.Wrappers.SetState(ctx, w.cfg.ID, control.ReplicaStopping); err != nil {
		w.log.Debug("a record could not be written", slog.Any(logging.KeyError, err))
	}
}

// wait waits for a group until ctx ends.
func wait(ctx context.Context, what string, group *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop %s: %w", what, ctx.Err())
	}
}

// register keeps the record of this Wrapper, so that operators see it.
func (w *wrapper) register(ctx context.Context) {
	now := time.Now().UTC()
	record := control.Replica{
		ID: w.cfg.ID, Service: "wrapper", Version: w.cfg.Build.Version(), State: "ready", StartedAt: now, HeartbeatAt: now,
	}
	outage := store.NewOutage(w.log)
	ticker := time.NewTicker(heartbeatPeriod)
	defer ticker.Stop()
	for registered, told := false, false; ; {
		record.HeartbeatAt = time.Now().UTC()
		var err error
		if registered {
			err = w.store.Wrappers.Heartbeat(ctx, record.ID, record.HeartbeatAt)
		} else {
			err = w.store.Wrappers.Register(ctx, record)
		}
		registered = err == nil
		if registered && !told {
			err = w.store.Audit.Started(ctx, record)
			told = err == nil
		}
		if ctx.Err() == nil {
			outage.Note(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
