package app

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/wrapper/internal/drain"
	"github.com/orkestro/orkestro/services/wrapper/internal/lease"
	"github.com/orkestro/orkestro/services/wrapper/internal/overview"
	"github.com/orkestro/orkestro/services/wrapper/internal/placement"
	"github.com/orkestro/orkestro/services/wrapper/internal/rollout"
	"github.com/orkestro/orkestro/services/wrapper/internal/watch"
)

// leaseFleet is the name of the lease of the Wrapper that leads.
const leaseFleet = "fleet"

// leader is what one Wrapper does for all.
type leader struct {
	*wrapper
	tasks []func(context.Context) // run side by side while the lease is held
}

func (w *wrapper) leader(queues *watch.Queues, registry prometheus.Registerer) *leader {
	seen := overview.New(w.store, w.broker, queues.Sessions, registry, w.log)
	rollouts := rollout.New(w.cfg.ID, w.store.Rollouts, w.store.MediaServers, w.store.Audit, w.log)
	drains := drain.New(drain.Deps{
		Wrapper: w.cfg.ID, Servers: w.store.MediaServers, Sessions: w.store.Sessions, Sender: w.broker,
		Audit: w.store.Audit, Room: w.room, Log: w.log,
	})
	return &leader{wrapper: w, tasks: []func(context.Context){seen.Run, rollouts.Run, drains.Run, w.noteHead}}
}

// room says why no other media server takes a session of a region.
func (w *wrapper) room(region string, leaving control.MediaServerID) error {
	_, err := placement.Choose(w.fleet.Servers(), placement.Request{
		Region: region, Exclude: []control.MediaServerID{leaving}, Now: time.Now(), Admit: w.admit(),
	})
	return err
}

// run leads whenever this Wrapper holds the lease, until ctx ends.
func (l *leader) run(ctx context.Context) {
	lease.Hold(ctx, l.store.Leases, leaseFleet, l.cfg.ID, l.log, func(ctx context.Context) {
		var running sync.WaitGroup
		defer running.Wait()
		for _, task := range l.tasks {
			running.Go(func() { task(ctx) })
		}
	})
}
