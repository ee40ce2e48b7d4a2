package app

import (
	"context"
	"errors"
	"slices"
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
	rollouts := rollout.New(w.cfg.ID, w.store.Rollouts, w.store.MediaServers, w.store.Audit, w.admit(), w.log)
	drains := drain.New(drain.Deps{
		Wrapper: w.cfg.ID, Servers: w.store.MediaServers, Sessions: w.store.Sessions, Sender: w.broker,
		Audit: w.store.Audit, Room: w.room, Log: w.log,
	})
	return &leader{wrapper: w, tasks: []func(context.Context){seen.Run, rollouts.Run, drains.Run, w.noteHead}}
}

// room says why no media server but the one that is left takes a session of a region, "" if one does.
func (w *wrapper) room(region string, leaving control.MediaServerID) string {
	others := slices.DeleteFunc(w.fleet.Servers(), func(s control.MediaServer) bool { return s.ID == leaving })
	if len(others) == 0 {
		return "there is no other media server"
	}
	_, err := placement.Choose(others, placement.Request{Region: region, Now: time.Now(), Admit: w.admit()})
	var refusal *control.Error
	if errors.As(err, &refusal) {
		return refusal.Detail
	}
	return ""
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
