package consume

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/control"
)

// Metrics counts requests and how long they take.
type Metrics struct {
	requests  *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	wait      prometheus.Histogram
	retried   *prometheus.CounterVec
	postponed *prometheus.CounterVec
	dead      *prometheus.CounterVec
}

// NewMetrics registers the counters.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orkestro_wrapper_requests_total",
			Help: "Requests and media events handled, by type and result: ok or an error code.",
		}, []string{"type", "result"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "orkestro_wrapper_request_duration_seconds",
			Help:    "How long one try of a request or media event took.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"type"}),
		wait: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "orkestro_wrapper_request_wait_seconds",
			Help:    "Time from the making of a request or media event to its first try.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}),
		retried:   byType("orkestro_wrapper_requests_retried_total", "Tries that failed and count, by type."),
		postponed: byType("orkestro_wrapper_requests_postponed_total", "Tries that failed because something was away."),
		dead:      byType("orkestro_wrapper_requests_dead_total", "Requests that went to the dead-letter queue, by type."),
	}
	registry.MustRegister(m.requests, m.duration, m.wait, m.retried, m.postponed, m.dead)
	return m
}

func byType(name, help string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"type"})
}

func (m *Metrics) observe(kind string, err error, took time.Duration) {
	result := "ok"
	if err != nil {
		result = string(control.CodeOf(err))
	}
	m.requests.WithLabelValues(kind, result).Inc()
	m.duration.WithLabelValues(kind).Observe(took.Seconds())
}
