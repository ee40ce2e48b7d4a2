package api

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/services/restapi/internal/problem"
)

func notFound(w http.ResponseWriter, r *http.Request) {
	problem.New(control.CodeNotFound, "there is no such path").Write(w, r)
}

// methodNotAllowed names the methods that the path has (RFC 9110 section 15.5.6).
func methodNotAllowed(routes chi.Routes) http.HandlerFunc {
	methods := []string{
		http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
	}
	return func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.RawPath
		if path == "" {
			path = r.URL.Path
		}
		var allowed []string
		for _, method := range methods {
			if routes.Match(chi.NewRouteContext(), method, path) {
				allowed = append(allowed, method)
			}
			if method == http.MethodGet && len(allowed) > 0 {
				allowed = append(allowed, http.MethodHead)
			}
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		detail := fmt.Sprintf("this path has %s", strings.Join(allowed, ", "))
		problem.New(control.CodeMethodNotAllowed, detail).Write(w, r)
	}
}

// recoverPanics answers 500 for a request whose handling panicked; the others go on.
func (c *core) recoverPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { //nolint:contextcheck // the request carries it
			fault := recover()
			if fault == nil {
				return
			}
			if fault == http.ErrAbortHandler { //nolint:errorlint // a value to panic with, never wrapped
				panic(fault) //nolint:forbidigo // the way net/http wants a request aborted
			}
			c.Log.ErrorContext(r.Context(), "a request handler panicked",
				logging.KeyError, fmt.Sprint(fault), "stack", string(debug.Stack()))
			problem.New(control.CodeInternal, "this is a fault of the server; its log says more").Write(w, r)
		}()
		next.ServeHTTP(w, r)
	})
}
