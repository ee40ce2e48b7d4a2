package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what an operator sees of the requests of a replica.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newMetrics(registry prometheus.Registerer) *metrics {
	labels := []string{"route", "method", "status"}
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orkestro_restapi_http_requests_total", Help: "HTTP requests by route, method and class of status.",
		}, labels),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "orkestro_restapi_http_request_duration_seconds", Help: "Time to the end of the answer; polls wait.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 12),
		}, labels),
	}
	registry.MustRegister(m.requests, m.duration)
	return m
}

// measure counts every request under the pattern of its route, so that ids do not make series.
func (m *metrics) measure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		recorded := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		next.ServeHTTP(recorded, r)
		route := chi.RouteContext(r.Context()).RoutePattern()
		if route == "" || route == "/*" {
			route = "none"
		}
		class := strconv.Itoa(max(recorded.Status(), http.StatusOK)/100) + "xx"
		m.requests.WithLabelValues(route, method(r.Method), class).Inc()
		m.duration.WithLabelValues(route, method(r.Method), class).Observe(time.Since(begin).Seconds())
	})
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
