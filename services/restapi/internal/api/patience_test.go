package api

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// TestPatient has only what a caller may ask to wait for take longer than any other call.
func TestPatient(t *testing.T) {
	for name, test := range map[string]struct {
		parameters []*huma.Param
		want       time.Duration
	}{
		"no operation that waits": {nil, replyTimeout},
		"poll":                    {[]*huma.Param{{Name: "wait", In: "query"}}, replyTimeout + 20*time.Second},
		"offer":                   {[]*huma.Param{{Name: "Prefer", In: "header"}}, replyTimeout + 10*time.Second},
	} {
		request := httptest.NewRequest(http.MethodPost, "/v1/sessions?wait=20s", nil)
		request.Header.Set("Prefer", "wait=10")
		operation := &huma.Operation{Parameters: test.parameters, Metadata: map[string]any{metadataAccess: byKey}}
		bounded, cancel := patient(request, operation)
		deadline, _ := bounded.Context().Deadline()
		cancel()
		if got := time.Until(deadline); got > test.want || got < test.want-time.Second {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
