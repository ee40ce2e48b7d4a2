package tracing

import (
	"errors"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	api "go.opentelemetry.io/otel/trace"
)

// errServer is the outcome of a request that was answered with a 5xx.
var errServer = errors.New("tracing: answered with a server error")

// HTTP makes a span of every request, under that of its caller if it names one; the request goes on under the span's
// own traceparent. route is asked, once a request was answered, for the pattern that served it and the status. Probes
// are left out, and so are polls whose caller is not traced: they wait, and say nothing.
func (t *Tracer) HTTP(next http.Handler, route func(http.ResponseWriter, *http.Request) (string, int)) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, traced := under(r.Context(), r.Header.Get("Traceparent"))
		if !traced && (!strings.HasPrefix(r.URL.Path, "/v1/") || waits(r)) {
			next.ServeHTTP(w, r)
			return
		}
		ctx, s := t.start(ctx, r.Method, api.SpanKindServer, attribute.String("http.request.method", r.Method))
		r = r.WithContext(ctx)
		r.Header.Set("Traceparent", parentOf(ctx))
		defer func() {
			var err error
			pattern, status := route(w, r)
			if status >= http.StatusInternalServerError {
				err = errServer
			}
			s.SetName(r.Method + " " + pattern)
			s.SetAttributes(attribute.String("http.route", pattern), attribute.Int("http.response.status_code", status))
			s.end(err)
		}()
		next.ServeHTTP(w, r)
	})
}

// waits reports whether a request is a poll or an event stream.
func waits(r *http.Request) bool {
	return r.Method == http.MethodGet &&
		(strings.HasSuffix(r.URL.Path, "/messages") || strings.HasSuffix(r.URL.Path, "/events"))
}
