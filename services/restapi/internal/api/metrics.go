package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/control"
)

// metrics are what an operator sees of the requests of a replica.
type metrics struct {
	requests     *prometheus.CounterVec
	duration     *prometheus.HistogramVec
	joins        *prometheus.CounterVec
	joinDuration prometheus.Histogram
	sent         *prometheus.CounterVec
	polls        prometheus.Gauge
	streams      prometheus.Gauge
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orkestro_restapi_http_requests_total", Help: "HTTP requests answered, by route, method and status code.",
		}, []string{"route", "method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "orkestro_restapi_http_request_duration_seconds", Help: "Time to the end of the answer; polls wait.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 12),
		}, []string{"route", "method"}),
		joins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orkestro_restapi_joins_total", Help: "Joins and rejoins, by result: ok or an error code.",
		}, []string{"result"}),
		joinDuration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "orkestro_restapi_join_duration_seconds", Help: "Time to answer a join that succeeded.",
			Buckets: []float64{.0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}),
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orkestro_restapi_messages_sent_total",
			Help: "Application messages that were taken, by whom they are to: all or one user.",
		}, []string{"to"}),
		polls: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "orkestro_restapi_polls", Help: "Polls that are being answered, most of them waiting.",
		}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "orkestro_restapi_event_streams", Help: "Event streams that are open.",
		}),
	}
	registry.MustRegister(m.requests, m.duration, m.joins, m.joinDuration, m.sent, m.polls, m.streams)
	m.joins.WithLabelValues(resultOK)
	for _, to := range []string{toAll, toUser} {
		m.sent.WithLabelValues(to)
	}
	return m
}

// Values of labels. Those that are used are there from the start, so that a rate can be told from nothing.
const (
	resultOK      = "ok"
	toAll, toUser = "all", "user"
)

// joined counts a join that began then.
func (m *metrics) joined(began time.Time, err error) {
	result := resultOK
	if err != nil {
		result = string(control.CodeOf(err))
	} else {
		m.joinDuration.Observe(time.Since(began).Seconds())
	}
	m.joins.WithLabelValues(result).Inc()
}

// messageSent counts an application message.
func (m *metrics) messageSent(to control.UserID) {
	receiver := toAll
	if to != "" {
		receiver = toUser
	}
	m.sent.WithLabelValues(receiver).Inc()
}

// measure counts every request under the pattern of its route, so that ids do not make series.
func (m *metrics) measure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		recorded := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		next.ServeHTTP(recorded, r)
		route, method := routeOf(r), method(r.Method)
		code := strconv.Itoa(max(recorded.Status(), http.StatusOK))
		m.requests.WithLabelValues(route, method, code).Inc()
		m.duration.WithLabelValues(route, method).Observe(time.Since(begin).Seconds())
	})
}

// trace makes a span of every request. It goes inside of measure.
func (c *core) trace(next http.Handler) http.Handler {
	return c.Tracer.HTTP(next, func(w http.ResponseWriter, r *http.Request) (string, int) {
		status := http.StatusOK
		if recorded, ok := w.(middleware.WrapResponseWriter); ok {
			status = max(recorded.Status(), status)
		}
		return routeOf(r), status
	})
}

// routeOf is the pattern of the route that served a request.
func routeOf(r *http.Request) string {
	route := chi.RouteContext(r.Context()).RoutePattern()
	if route == "" || route == "/*" {
		return "none"
	}
	return route
}

// method keeps made-up methods from making series.
func method(name string) string {
	switch name {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions:
		return name
	default:
		return "other"
	}
}
