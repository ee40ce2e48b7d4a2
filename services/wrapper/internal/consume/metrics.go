package consume

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/control"
)

// Metrics counts requests and how long they take.
type Metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
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
	}
	registry.MustRegister(m.requests, m.duration)
	return m
}

func (m *Metrics) observe(kind string, err error, took time.Duration) {
	result := "ok"
	if err != nil {
		result = string(control.CodeOf(err))
	}
	m.requests.WithLabelValues(kind, result).Inc()
	m.duration.WithLabelValues(kind).Observe(took.Seconds())
}
