package session

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what sessions go through.
type Metrics struct {
	placements *prometheus.CounterVec
	rebuilds   prometheus.Counter
	failures   prometheus.Counter
	relocation
}

// NewMetrics registers the counters.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		placements: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orkestro_wrapper_placements_total",
			Help: "Pipelines placed on media servers, by result: ok, lost (another Wrapper was faster) or an error code.",
		}, []string{"result"}),
		rebuilds: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "orkestro_wrapper_rebuilds_total",
			Help: "Pipelines replaced because their media server was lost.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "orkestro_wrapper_connection_failures_total",
			Help: "Connections of users that failed (ICE or DTLS).",
		}),
	}
	m.relocation = newRelocation(registry)
	registry.MustRegister(m.placements, m.rebuilds, m.failures)
	return m
}
