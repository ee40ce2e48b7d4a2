package rollout

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/store"
)

const (
	// lookEvery is the pause between two looks, lookTimeout bounds one.
	lookEvery   = time.Second
	lookTimeout = 10 * time.Second
	// maxSteps in one look. One step may follow from the one before; no three do.
	maxSteps = 5
	// recent is of how many rollouts a leader makes sure, when it begins and every so often, that the audit was told all:
	// who wrote a last step may not have lived to tell.
	recent      = 3
	recentEvery = time.Minute
	// complainEvery is the pause between two lines in the log about what goes wrong again and again.
	complainEvery = time.Minute
)

// Rollouts is where rollouts are kept: [store.Rollouts].
type Rollouts interface {
	Live(ctx context.Context) (control.Rollout, error)
	Get(ctx context.Context, id control.RolloutID) (control.Rollout, error)
	List(ctx context.Context, before control.RolloutID, limit int) ([]control.Rollout, error)
	Step(ctx context.Context, rollout control.Rollout) error
}

// Servers is where media servers are kept: [store.MediaServers].
type Servers interface {
	List(ctx context.Context) ([]control.MediaServer, error)
	DrainInstance(ctx context.Context, id control.MediaServerID, instance control.InstanceID, d control.Drain) error
	EndDrain(ctx context.Context, id control.MediaServerID, drain control.Drain) error
}

// Audit is where the steps of a rollout are entered: [store.Audit].
type Audit interface {
	Append(ctx context.Context, entry control.AuditEntry) error
}

// Leader leads the rollout that is live, if there is one. Two leaders at a time do no harm: every step is guarded by
// the revision that it was decided on, and the drains follow from the steps. One goroutine runs it.
type Leader struct {
	wrapper  string
	rollouts Rollouts
	servers  Servers
	audit    Audit
	admit    func(control.MediaServer) string
	log      *slog.Logger

	told    map[control.RolloutID]int        // number of the last event that is in the audit
	toldAt  time.Time                        // when the recent ones were looked at
	drained map[control.MediaServerID]string // the drain that the audit knows of: the id of its entry

	complained time.Time // of what does not go well
}

// New makes the leader of a Wrapper. admit is why the fleet gives a server no sessions, "" if it does; nil: it asks for
// no membership.
func New(
	wrapper string, rollouts Rollouts, servers Servers, audit Audit, admit func(control.MediaServer) string,
	logger *slog.Logger,
) *Leader {
	return &Leader{
		wrapper: wrapper, rollouts: rollouts, servers: servers, audit: audit, admit: admit,
		log: logger.With(slog.String(logging.KeyComponent, "rollout")), told: map[control.RolloutID]int{},
		drained: map[control.MediaServerID]string{},
	}
}

// Run leads until ctx ends.
func (l *Leader) Run(ctx context.Context) {
	l.toldAt = time.Time{}
	outage := store.NewOutage(l.log)
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		err := l.Look(ctx, time.Now())
		if ctx.Err() != nil {
			return
		}
		outage.Note(err)
		l.complain(err, time.Now())
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// complain logs an error that is no outage, of which there is a line already; once a minute if it stays.
func (l *Leader) complain(err error, now time.Time) {
	if err == nil || control.CodeOf(err) == control.CodeUnavailable || now.Sub(l.complained) < complainEvery {
		return
	}
	l.complained = now
	l.log.Warn("rollout not led, trying again", slog.Any(logging.KeyError, err))
}

// Look takes the live rollout as far as it goes now, and sees to it that those servers are drained that should be.
func (l *Leader) Look(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if err := l.tellRecent(ctx, now); err != nil {
		return err
	}
	servers, err := l.servers.List(ctx)
	if err != nil {
		return err
	}
	l.doubt(servers)
	rollouts, err := l.concerned(ctx, servers)
	if err != nil {
		return err
	}
	for id, r := range rollouts {
		if !r.State.Live() {
			continue
		}
		if rollouts[id], err = l.advance(ctx, r, servers, now); errors.Is(err, store.ErrGuard) {
			return nil // somebody else was first: the next look sees what came of it
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(l.tellDrains(ctx, servers), l.carryOut(ctx, Orders(rollouts, servers)))
}

// doubt has servers that the fleet refuses count as suspect: they are up, and nothing is moved there. They stand in for
// nobody, and are no room for others.
func (l *Leader) doubt(servers []control.MediaServer) {
	if l.admit == nil {
		return
	}
	for i := range servers {
		if s := &servers[i]; s.Status == control.StatusUp && l.admit(*s) != "" {
			s.Status = control.StatusSuspect
		}
	}
}

// concerned is the live rollout and those that servers are drained for.
func (l *Leader) concerned(
	ctx context.Context, servers []control.MediaServer,
) (map[control.RolloutID]control.Rollout, error) {
	rollouts := map[control.RolloutID]control.Rollout{}
	live, err := l.rollouts.Live(ctx)
	if err == nil {
		rollouts[live.ID] = live
	} else if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	for _, s := range servers {
		id := drainedFor(s)
		if _, known := rollouts[id]; known || id == "" {
			continue
		}
		r, err := l.rollouts.Get(ctx, id)
		if err == nil {
			rollouts[id] = r
		} else if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	return rollouts, nil
}

// advance decides and writes until nothing changes any more, and tells the audit.
func (l *Leader) advance(
	ctx context.Context, r control.Rollout, servers []control.MediaServer, now time.Time,
) (control.Rollout, error) {
	for range maxSteps {
		if err := l.tell(ctx, r); err != nil {
			return r, err
		}
		next, changed := Decide(r, servers, now)
		if !changed {
			break
		}
		if err := l.rollouts.Step(ctx, next); err != nil {
			return r, err
		}
		l.say(r, next)
		next.Revision++
		r = next
	}
	return r, nil
}

// say logs what an operator wants to know of a step.
func (l *Leader) say(before, after control.Rollout) {
	id := slog.String(logging.KeyRollout, string(after.ID))
	known := 0
	if n := len(before.Events); n > 0 {
		known = before.Events[n-1].Number
	}
	for _, e := range after.Events {
		if e.Number > known {
			l.log.Info("rollout goes on", id, slog.String("action", e.Action), slog.String("step", e.Text))
		}
	}
	if after.State == control.RolloutRunning && after.Reason != "" && after.Reason != before.Reason {
		l.log.Info("rollout waits", id, slog.String("reason", after.Reason))
	}
}

// carryOut drains and undrains. A lost guard means that the server has moved on.
func (l *Leader) carryOut(ctx context.Context, orders []Order) error {
	var errs []error
	for _, o := range orders {
		var err error
		if o.Ends {
			err = l.servers.EndDrain(ctx, o.Server, o.Drain)
		} else {
			err = l.servers.DrainInstance(ctx, o.Server, o.Instance, o.Drain)
		}
		if err == nil {
			l.log.Info("media server ordered", slog.String(logging.KeyServer, string(o.Server)),
				slog.String("by", o.Drain.By), slog.String("action", o.action()))
			err = l.enter(ctx, o)
		}
		if err != nil && !errors.Is(err, store.ErrGuard) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
