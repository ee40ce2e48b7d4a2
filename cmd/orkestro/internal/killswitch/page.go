package killswitch

import (
	_ "embed" // part.html
	"io"
	"net/http"
	"strings"

	"github.com/orkestro/orkestro/pkg/csp"
)

// part is what the operator's page gets; it uses that page's colours and, like it, loads nothing.
//
//go:embed part.html
var part string

// marker is where the operator's page begins to be about the fleet.
const marker = "<main "

// policyHeader says what a page may run and look like.
const policyHeader = "Content-Security-Policy"

// withPart puts part into the page that next serves, and lets it run under the page's policy. What is no page, and one
// without the marker, stays as it is.
func withPart(next http.Handler) http.Handler {
	allow := strings.NewReplacer(
		"script-src ", "script-src "+csp.Inline(part, "script"), "style-src ", "style-src "+csp.Inline(part, "style"))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page := &buffer{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(page, r)
		body := page.body.String()
		if page.status == http.StatusOK {
			body = strings.Replace(body, marker, part+marker, 1)
			w.Header().Del("Content-Length")
			w.Header().Set(policyHeader, allow.Replace(w.Header().Get(policyHeader)))
		}
		w.WriteHeader(page.status)
		_, _ = io.WriteString(w, body) // the browser is gone: nobody left to tell
	})
}

// buffer keeps an answer.
type buffer struct {
	http.ResponseWriter
	status int
	body   strings.Builder
}

// WriteHeader implements [http.ResponseWriter].
func (b *buffer) WriteHeader(status int) { b.status = status }

// Write implements [http.ResponseWriter].
func (b *buffer) Write(data []byte) (int, error) { return b.body.Write(data) }
