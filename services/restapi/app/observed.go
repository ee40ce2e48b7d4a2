package app

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/health"
	"github.com/orkestro/orkestro/pkg/tracing"
)

// observed is how operators look into the process.
type observed struct {
	metrics *prometheus.Registry
	tracer  *tracing.Tracer // nil: no traces
}

func observe(ctx context.Context, cfg Config, logger *slog.Logger) (observed, error) {
	metrics := health.NewRegistry("restapi", cfg.Build.Version())
	tracer, err := tracing.Open(ctx, cfg.Trace, tracing.Process{
		Service: "restapi", Version: cfg.Build.Version(), Instance: cfg.ID,
	}, metrics, logger)
	return observed{metrics: metrics, tracer: tracer}, err
}
