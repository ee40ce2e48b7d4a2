// Package overview exports what an operator wants to know of the whole fleet, on behalf of all Wrappers: the one that
// leads runs it, the others have none of these series. It looks every few seconds and changes nothing. Package app
// starts it.
package overview

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/store"
)

const (
	// period of looking. Chosen: no longer than that of scrapes, and every session is read for it.
	period = 10 * time.Second
	// lookTimeout bounds one look.
	lookTimeout = 8 * time.Second
	// stale is when what was seen is forgotten rather than told.
	stale = 3 * period
)

// Queues says how many messages wait.
type Queues interface {
	Inspect(ctx context.Context, queue string) (broker.Info, error)
}

// Overview looks and exports. Run is called by one goroutine at a time.
type Overview struct {
	store    *store.Store
	depths   *depths
	log      *slog.Logger
	seen     atomic.Pointer[view]
	leading  atomic.Bool
	families families
}

// view is what was seen at one moment.
type view struct {
	at       time.Time
	totals   store.SessionTotals
	servers  []control.MediaServer
	replicas []control.Replica
	rollout  *control.Rollout // nil: none is live
	queues   map[string]int
}

// New registers the metrics; there are none but that it does not lead until Run runs. sessions lists those whose queues
// are looked at.
func New(
	st *store.Store, queues Queues, sessions func() []control.SessionID, registry prometheus.Registerer,
	logger *slog.Logger,
) *Overview {
	o := &Overview{
		store: st, depths: &depths{queues: queues, sessions: sessions},
		log: logger.With(slog.String(logging.KeyComponent, "overview")), families: newFamilies(),
	}
	registry.MustRegister(o)
	return o
}

// Run looks until ctx ends. Then nothing is exported any more.
func (o *Overview) Run(ctx context.Context) {
	o.leading.Store(true)
	defer o.leading.Store(false)
	defer o.seen.Store(nil)
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		if seen, err := o.look(ctx); err == nil {
			o.seen.Store(seen)
		} else if ctx.Err() == nil {
			o.log.Debug("no overview of the fleet", slog.Any(logging.KeyError, err))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (o *Overview) look(ctx context.Context) (*view, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	seen := &view{}
	var restapis, wrappers []control.Replica
	for _, read := range []func() error{
		func() (err error) { seen.totals, err = o.store.Sessions.Totals(ctx); return err },
		func() (err error) { seen.servers, err = o.store.MediaServers.List(ctx); return err },
		func() (err error) { restapis, err = o.store.RestAPIs.List(ctx); return err },
		func() (err error) { wrappers, err = o.store.Wrappers.List(ctx); return err },
		func() (err error) { seen.rollout, err = o.liveRollout(ctx); return err },
	} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	seen.replicas = append(restapis, wrappers...)
	seen.queues = o.depths.look(ctx)
	seen.at = time.Now()
	return seen, nil
}

func (o *Overview) liveRollout(ctx context.Context) (*control.Rollout, error) {
	rollout, err := o.store.Rollouts.Live(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil //nolint:nilnil // there is none
	}
	return &rollout, err
}
