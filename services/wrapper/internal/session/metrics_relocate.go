package session

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// relocation counts the moves of sessions.
type relocation struct {
	relocations *prometheus.CounterVec
	took        prometheus.Histogram
}

func newRelocation(registry prometheus.Registerer) relocation {
	m := relocation{
		relocations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orkestro_wrapper_relocations_total",
			Help: "Moves of sessions off live media servers, by result: ok, late (somebody was not connected to the new one " +
				"in time) or an error code.",
		}, []string{"result"}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "orkestro_wrapper_relocation_duration_seconds",
			Help:    "Time from the new pipeline being stored to the release of the old one.",
			Buckets: []float64{1, 1.5, 2, 3, 5, 10, 15, 20},
		}),
	}
	registry.MustRegister(m.relocations, m.took)
	return m
}

// relocated counts a move that has ended.
func (m relocation) relocated(took time.Duration, late bool) {
	result := "ok"
	if late {
		result = "late"
	}
	m.relocations.WithLabelValues(result).Inc()
	m.took.Observe(took.Seconds())
}
