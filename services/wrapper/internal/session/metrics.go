package session

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what sessions go through.
type Metrics struct {
	placements *prometheus.CounterVec
	failures   prometheus.Counter
	rebuild
	relocation
	reconnection
}

// NewMetrics registers the counters.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		placements: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orkestro_wrapper_placements_total",
			Help: "Pipelines placed on media servers, by result: ok, lost (another Wrapper was faster) or an error code.",
		}, []string{"result"}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "orkestro_wrapper_connection_failures_total",
			Help: "Connections of users that failed (ICE or DTLS).",
		}),
	}
	m.rebuild, m.relocation, m.reconnection = newRebuild(registry), newRelocation(registry), newReconnection(registry)
	registry.MustRegister(m.placements, m.failures)
	return m
}
