package idempotency

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/orkestro/orkestro/pkg/store"
)

// recorder keeps an answer before it is sent. It implements [http.ResponseWriter].
type recorder struct {
	header   http.Header
	status   int
	body     bytes.Buffer
	finished bool
}

func newRecorder() *recorder { return &recorder{header: http.Header{}, status: http.StatusOK} }

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) { r.status = status }

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

// copyTo sends what was recorded; a handler that panicked has nothing to send.
func (r *recorder) copyTo(w http.ResponseWriter) {
	if !r.finished {
		return
	}
	for name, values := range r.header {
		w.Header()[name] = values
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body.Bytes())
}

// answer is what is stored: the headers that belong to the answer, not to its transport.
func (r *recorder) answer() store.IdempotencyAnswer {
	headers := map[string]string{}
	for _, name := range []string{"Content-Type", "Location", "ETag", "Link", "Accept-Patch"} {
		if values := r.header.Values(name); len(values) > 0 {
			headers[name] = strings.Join(values, ", ") // the same (RFC 9110 section 5.3)
		}
	}
	return store.IdempotencyAnswer{Status: r.status, Headers: headers, Body: r.body.Bytes()}
}

func replay(w http.ResponseWriter, answer store.IdempotencyAnswer) {
	for name, value := range answer.Headers {
		w.Header().Set(name, value)
	}
	w.WriteHeader(answer.Status)
	_, _ = w.Write(answer.Body)
}
