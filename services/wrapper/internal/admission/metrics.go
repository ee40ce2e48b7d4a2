package admission

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// refused is how many media servers are refused, by reason, as of the last look.
type refused struct {
	counts atomic.Pointer[map[string]int]
}

// Register exports how many media servers are refused.
func (k *Keeper) Register(registry prometheus.Registerer) {
	registry.MustRegister(&refusals{of: &k.refused, desc: prometheus.NewDesc("orkestro_wrapper_refused_mediaservers",
		"Media servers that are given no sessions because they are no members, by reason.", []string{"reason"}, nil)})
}

type refusals struct {
	of   *refused
	desc *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (r *refusals) Describe(descs chan<- *prometheus.Desc) { descs <- r.desc }

// Collect implements prometheus.Collector.
func (r *refusals) Collect(metrics chan<- prometheus.Metric) {
	counts := r.of.counts.Load()
	if counts == nil {
		return
	}
	for reason, n := range *counts {
		metrics <- prometheus.MustNewConstMetric(r.desc, prometheus.GaugeValue, float64(n), reason)
	}
}
