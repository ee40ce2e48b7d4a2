package killswitch

import (
	_ "embed" // part.html
	"io"
	"net/http"
	"strings"
)

// part is what the operator's page gets; it uses that page's colours and follows its policy: one file, nothing loaded.
//
//go:embed part.html
var part string

// marker is where the operator's page begins to be about the fleet.
const marker = "<main "

// withPart puts part into the page that next serves. What is no page, and one without the marker, stays as it is.
func withPart(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page := &buffer{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(page, r)
		body := page.body.String()
		if page.status == http.StatusOK {
			body = strings.Replace(body, marker, part+marker, 1)
			w.Header().Del("Content-Length")
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
