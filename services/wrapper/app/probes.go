package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/health"
)

// headerTimeout bounds how long a client may take to ask.
const headerTimeout = 10 * time.Second

// probes answers /healthz, /readyz and /metrics from the first moment on; until there are checks it is not ready.
type probes struct {
	address  string
	registry *prometheus.Registry
	server   *http.Server
	checks   atomic.Pointer[[]health.Check]
	failed   chan error // gets the one error that serving ended with
	serving  sync.WaitGroup
}

func openProbes(
	ctx context.Context, address string, registry *prometheus.Registry, logger *slog.Logger,
) (*probes, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--listen (ORKESTRO_LISTEN): %w", err)
	}
	p := &probes{
		address: listener.Addr().String(), registry: registry, failed: make(chan error, 1),
	}
	p.server = &http.Server{
		Handler:           health.Handler(p.registry, health.Check{Name: "wrapper", Check: p.check}),
		ReadHeaderTimeout: headerTimeout, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	p.serving.Go(func() {
		if err := p.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			p.failed <- fmt.Errorf("serve: %w", err)
		}
	})
	return p, nil
}

// ready asks these checks from now on; none: not ready.
func (p *probes) ready(checks ...health.Check) { p.checks.Store(&checks) }

// check is all the checks as one, which names everything that is missing.
func (p *probes) check(ctx context.Context) error {
	checks := p.checks.Load()
	if checks == nil || len(*checks) == 0 {
		return errors.New("starting or stopping")
	}
	var missing []error
	for _, c := range *checks {
		if err := c.Check(ctx); err != nil {
			missing = append(missing, fmt.Errorf("%s: %w", c.Name, err))
		}
	}
	return errors.Join(missing...)
}

func (p *probes) close() error {
	err := p.server.Close()
	p.serving.Wait()
	return err
}
