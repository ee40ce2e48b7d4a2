package mailbox

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are what an operator sees of the mailboxes of a replica.
type Metrics struct {
	registry prometheus.Registerer
	readers  prometheus.Gauge
	latency  prometheus.Histogram
	messages prometheus.Counter
}

// NewMetrics registers them.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		registry: registry,
		readers: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "orkestro_restapi_readers", Help: "Polls and event streams that are open.",
		}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "orkestro_restapi_message_delivery_seconds",
			Help:    "Time from the making of a message to its first delivery to its user.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}),
		messages: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "orkestro_restapi_messages_delivered_total",
			Help: "Messages given to users for the first time.",
		}),
	}
	registry.MustRegister(m.readers, m.latency, m.messages)
	return m
}

// watch registers the number of open mailboxes of p.
func (m *Metrics) watch(p *Pool) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "orkestro_restapi_mailboxes", Help: "Mailboxes that are open, with or without a reader.",
	}, func() float64 { return float64(p.size()) }))
}

func (m *Metrics) delivered(made time.Time) {
	m.latency.Observe(time.Since(made).Seconds())
	m.messages.Inc()
}
