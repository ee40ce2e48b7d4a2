package admission_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/health"
	"github.com/orkestro/orkestro/pkg/membership"
	"github.com/orkestro/orkestro/services/wrapper/internal/admission"
)

// manifests is what is stored.
type manifests []string

func (m manifests) Documents(context.Context) ([]string, error) { return m, nil }

// audit takes everything.
type audit struct{}

func (audit) Append(context.Context, control.AuditEntry) error { return nil }

func scraped(registry *prometheus.Registry) string {
	answer := httptest.NewRecorder()
	health.Metrics(registry).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return answer.Body.String()
}

func TestKeeper_ExportsWhoIsRefused(t *testing.T) {
	private, err := membership.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	key := membership.KeyOf(private)
	document, err := membership.First(key).Sign(private)
	if err != nil {
		t.Fatal(err)
	}
	servers := []control.MediaServer{
		{ID: "a", Instance: "1", Status: control.StatusUp},
		{ID: "b", Instance: "2", Status: control.StatusSuspect},
		{ID: "c", Instance: "3", Status: control.StatusDown},
	}
	keeper := admission.New(admission.Deps{
		Key: key, Manifests: manifests{document}, Servers: func() []control.MediaServer { return servers },
		Audit: audit{}, Log: slog.New(slog.DiscardHandler),
	})
	registry := prometheus.NewRegistry()
	keeper.Register(registry)
	keeper.Look(t.Context())
	const two = `orkestro_wrapper_refused_mediaservers{reason="membership missing"} 2`
	if text := scraped(registry); !strings.Contains(text, two) {
		t.Errorf("no %s in:\n%s", two, text)
	}
	servers = servers[:0]
	keeper.Look(t.Context())
	if text := scraped(registry); strings.Contains(text, "refused") {
		t.Errorf("when nobody is:\n%s", text)
	}
}
