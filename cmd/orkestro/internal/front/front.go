// Package front is the front door of `orkestro dev`: one address for all REST replicas, the demo page and the way to
// it. It is a plain HTTP load balancer, as a fleet has one before its replicas, and knows nothing of the API.
package front

import (
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"

	"github.com/orkestro/orkestro/pkg/logging"
)

// Handler spreads requests over the replicas, each request to the next in turn. Demo, when there is one, gets what is
// below /demo/, and / leads there; without it / leads to the API's documentation.
func Handler(replicas []*url.URL, demo http.Handler, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	home := "/docs"
	if demo != nil {
		home = "/demo/"
		mux.Handle("/demo/", demo)
	}
	mux.Handle("GET /{$}", http.RedirectHandler(home, http.StatusFound))
	mux.Handle("/", proxy(replicas, log))
	return mux
}

func proxy(replicas []*url.URL, log *slog.Logger) http.Handler {
	return &httputil.ReverseProxy{
		Transport:     newBalancer(replicas),
		FlushInterval: -1, // event streams: every write is for now
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme = "http"
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() != nil {
				return // the client is gone: nobody to tell
			}
			log.Warn("no replica answered", logging.KeyError, err)
			w.Header().Set("Content-Type", "application/problem+json")
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"type":"about:blank","title":"Service Unavailable","status":503,` +
				`"code":"unavailable","detail":"no REST replica answers"}` + "\n"))
		},
	}
}
