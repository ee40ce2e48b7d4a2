// Package health serves what orchestrators and Prometheus ask a process: /healthz (this process is not stuck, never
// anything about its dependencies, or one outage would restart the fleet), /readyz (send it work) and /metrics.
package health

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readyTimeout bounds the checks of one /readyz call.
const readyTimeout = 2 * time.Second

// Check is one thing that a service needs to do its work; nil means well.
type Check struct {
	Name  string
	Check func(ctx context.Context) error
}

// Live answers /healthz.
func Live() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
}

// Ready answers /readyz: 200, or 503 naming each check that is not well.
func Ready(checks ...Check) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		var failed []string
		for _, c := range checks {
			if err := c.Check(ctx); err != nil {
				failed = append(failed, fmt.Sprintf("%s: %v", c.Name, err))
			}
		}
		if len(failed) > 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			for _, line := range failed {
				_, _ = fmt.Fprintln(w, line)
			}
			return
		}
		_, _ = fmt.Fprintln(w, "ready")
	})
}

// Metrics answers /metrics.
func Metrics(registry *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// Handler serves all three, for services without an HTTP API of their own.
func Handler(registry *prometheus.Registry, checks ...Check) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/healthz", Live())
	mux.Handle("/readyz", Ready(checks...))
	mux.Handle("/metrics", Metrics(registry))
	return mux
}
