package killswitch_test

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/cmd/orkestro/internal/killswitch"
	"github.com/orkestro/orkestro/pkg/csp"
)

// The part runs under the page's own policy, which is no wider for anything else.
func TestHandler_LetsItsPartRun(t *testing.T) {
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'sha256-a' ; style-src 'sha256-b' ; img-src data:")
		_, _ = io.WriteString(w, `<body><main id="main"></main></body>`)
	})
	h := killswitch.Handler(next, []*server{}, api{}, slog.New(slog.DiscardHandler))
	w := ask(h, request("GET", "/admin", nil))
	script, style := csp.Inline(w.Body.String(), "script"), csp.Inline(w.Body.String(), "style")
	want := "default-src 'none'; script-src " + script + "'sha256-a' ; style-src " + style + "'sha256-b' ; img-src data:"
	if got := w.Header().Get("Content-Security-Policy"); got != want || strings.Count(want, "sha256-") != 4 {
		t.Errorf("policy %s, want %s", got, want)
	}
}
