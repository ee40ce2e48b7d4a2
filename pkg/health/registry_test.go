package health_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/health"
)

// scraped is what /metrics says.
func scraped(registry *prometheus.Registry) string {
	answer := httptest.NewRecorder()
	health.Metrics(registry).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return answer.Body.String()
}

func expect(t *testing.T, registry *prometheus.Registry, lines ...string) {
	t.Helper()
	text := scraped(registry)
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line) {
			t.Errorf("no %s in:\n%s", line, text)
		}
	}
}

func TestNewRegistry_SaysWhichRelease(t *testing.T) {
	expect(t, health.NewRegistry("wrapper", "v2"), `orkestro_build_info{service="wrapper",version="v2"} 1`,
		"go_sched_latencies_seconds_count", "process_resident_memory_bytes")
}

// A dependency that does not answer holds up the scrape for no longer than it may.
func TestWatchDependencies_SaysWhatCanBeReached(t *testing.T) {
	registry := health.NewRegistry("wrapper", "v2")
	health.WatchDependencies(registry,
		health.Check{Name: "broker", Check: func(context.Context) error { return nil }},
		health.Check{Name: "database", Check: func(context.Context) error { return errors.New("away") }},
		health.Check{Name: "silent", Check: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}})
	expect(t, registry, `orkestro_dependency_up{dependency="broker"} 1`,
		`orkestro_dependency_up{dependency="database"} 0`, `orkestro_dependency_up{dependency="silent"} 0`)
}
