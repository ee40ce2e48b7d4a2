// Package lease has one Wrapper at a time do what needs only one: emptying media servers, leading a rollout. Package
// app starts it. It knows nothing of what is done; that has to bear that two do it for a moment.
package lease

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/orkestro/orkestro/pkg/logging"
)

const (
	// duration of a lease: who dies with it is followed that much later. Chosen: below what an operator notices.
	duration = 5 * time.Second
	// period of prolonging it; it bears the loss of one.
	period = 2 * time.Second
	// timeout of one call to the store.
	timeout = 2 * time.Second
)

// Leases is where leases are kept: [store.Leases].
type Leases interface {
	Take(ctx context.Context, name, holder string, now, until time.Time) error
	Give(ctx context.Context, name, holder string) error
}

// Hold runs work whenever this holder has the lease of that name, until ctx ends. The context of work ends when the
// lease is lost; Hold waits for it to return, and runs it again with the next lease. Work that returns earlier is run
// again after the next prolonging.
func Hold(ctx context.Context, leases Leases, name, holder string, logger *slog.Logger, work func(context.Context)) {
	h := &holding{leases: leases, name: name, holder: holder}
	defer h.give(context.WithoutCancel(ctx))
	for ctx.Err() == nil {
		if h.take(ctx) {
			logger.Info("leading", slog.String(logging.KeyReplica, holder), slog.String("lease", name))
			h.keepWhile(ctx, work)
			continue
		}
		pause(ctx)
	}
}

type holding struct {
	leases       Leases
	name, holder string
	until        time.Time // by our own clock
}

// take reports whether the lease is ours.
func (h *holding) take(ctx context.Context) bool {
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	now := time.Now()
	until := now.Add(duration)
	if h.leases.Take(bounded, h.name, h.holder, now.UTC(), until.UTC()) != nil {
		return false
	}
	h.until = until
	return true
}

// keepWhile prolongs the lease while work runs, again and again, and ends work when it cannot.
func (h *holding) keepWhile(ctx context.Context, work func(context.Context)) {
	working, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for working.Err() == nil {
			work(working)
			pause(working)
		}
	}()
	defer func() { <-done }()
	defer stop()
	for {
		pause(ctx)
		if ctx.Err() != nil {
			return
		}
		if !h.take(ctx) && time.Now().After(h.until.Add(-period)) {
			return
		}
	}
}

func (h *holding) give(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_ = h.leases.Give(ctx, h.name, h.holder) // it runs out by itself
}

// pause waits for about half a period to a period, or until ctx ends.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(period/2 + rand.N(period/2)): //nolint:gosec // jitter needs no secrecy
	}
}
