package request

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what an operator sees of requests that wait for a Wrapper.
type metrics struct {
	unanswered *prometheus.CounterVec
}

func newMetrics() metrics {
	return metrics{unanswered: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "orkestro_restapi_requests_unanswered_total", Help: "Requests that no Wrapper replied to in time, by type.",
	}, []string{"type"})}
}

// Register adds them, and how many requests are waiting.
func (c *Client) Register(registry prometheus.Registerer) {
	registry.MustRegister(c.metrics.unanswered, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "orkestro_restapi_requests_waiting", Help: "Requests that wait for the reply of a Wrapper.",
	}, func() float64 {
		c.mu.Lock()
		defer c.mu.Unlock()
		return float64(len(c.pending))
	}))
}

// noReply counts a request that was waited for in vain; one whose caller has left was not.
func (m metrics) noReply(ctx context.Context, kind string) {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		m.unanswered.WithLabelValues(kind).Inc()
	}
}
