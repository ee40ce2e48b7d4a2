// Package front is the front door of `orkestro dev`: one address for all REST replicas, the demo page and the way to
// it. It is a plain HTTP load balancer, as a fleet has one before its replicas, and knows nothing of the API.
package front

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"

	"github.com/orkestro/orkestro/pkg/logging"
)

// Handler spreads requests over the replicas, each request to the next in turn. Demo, when there is one, gets what is
// below /demo/, and / leads there; without it / leads to the API's documentation. Paths stay as they are written: what
// is none of the API's is for a replica to refuse.
func Handler(replicas []*url.URL, demo http.Handler, log *slog.Logger) http.Handler {
	home := "/docs"
	if demo != nil {
		home = "/demo/"
	}
	toHome, toReplicas := http.RedirectHandler(home, http.StatusFound), proxy(replicas, log)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
			toHome.ServeHTTP(w, r)
		case demo != nil && strings.HasPrefix(r.URL.Path, "/demo/"):
			demo.ServeHTTP(w, r)
		case demo != nil && r.URL.Path == "/demo":
			toHome.ServeHTTP(w, r)
		default:
			// A replica may refuse a body before all of it is there: the answer must not wait for the rest.
			_ = http.NewResponseController(w).EnableFullDuplex()
			toReplicas.ServeHTTP(w, r)
		}
	})
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
		ModifyResponse: func(r *http.Response) error {
			if r.Close { // it has not read all of the body, and neither have we
				r.Header.Set("Connection", "close")
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() != nil {
				return // the client is gone: nobody to tell
			}
			log.Warn("no replica answered", logging.KeyError, err)
			unavailable(w, r)
		},
	}
}

// unavailable is the problem document of the API for a fleet without a replica.
func unavailable(w http.ResponseWriter, r *http.Request) {
	body, err := json.Marshal(map[string]any{
		"type": "urn:orkestro:error:unavailable", "title": http.StatusText(http.StatusServiceUnavailable),
		"status": http.StatusServiceUnavailable, "code": "unavailable", "detail": "no REST replica answers",
		"instance": r.URL.Path,
	})
	if err != nil { // cannot be: strings and a number
		body = nil
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write(body)
}
