package observability_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

const (
	callersTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	callersSpan  = "00f067aa0ba902b7"
)

// expectPath waits for a span of a trace ("": any) that is reached by a path, and gives it.
func expectPath(t *testing.T, trace string, path ...string) (found span) {
	t.Helper()
	testkit.Eventually(t, func() error {
		var seen []string
		for _, s := range traces.all() {
			if trace != "" && s.trace != trace || s.service+": "+s.name != path[len(path)-1] {
				continue
			}
			way := traces.path(s)
			if slices.Equal(way, path) {
				found = s
				return nil
			}
			seen = append(seen, strings.Join(way, " > "))
		}
		return fmt.Errorf("no span at %s, only %v", strings.Join(path, " > "), seen)
	})
	return found
}

// A caller's trace goes on through all three services: one trace, each span under the one that caused it.
func TestTrace_JoinOfACallerThatTraces(t *testing.T) {
	session := fleet.NewSession(t)
	answer, err := fleet.API.Raw(t.Context(), harness.Request{
		Method: http.MethodPost, Path: "/v1/sessions/" + session + "/users", Body: `{"id": "ann"}`,
		Header: map[string]string{"Traceparent": "00-" + callersTrace + "-" + callersSpan + "-01"},
	})
	if err != nil || answer.Status != http.StatusCreated {
		t.Fatalf("join: %d, %v", answer.Status, err)
	}
	const post = "restapi: POST /v1/sessions/{sid}/users"
	root := expectPath(t, callersTrace, post)
	if root.parent != callersSpan {
		t.Errorf("the request is under span %q, want the caller's", root.parent)
	}
	handled := []string{post, "restapi: publish join", "wrapper: handle join"}
	expectPath(t, callersTrace, append(handled, "wrapper: call create kurento.MediaPipeline",
		"mediaserver: serve create")...)
	expectPath(t, callersTrace, append(handled, "wrapper: publish joined")...)
	expectPath(t, callersTrace, append(handled, "wrapper: publish reply", "restapi: handle reply")...)
}

// What happens to media comes back under the request that brought it about.
func TestTrace_PublishAndWhatComesOfIt(t *testing.T) {
	ann, ben := call(t)
	const put = "restapi: PUT /v1/sessions/{sid}/users/{uid}/publish"
	served := []string{
		put, "restapi: publish publish", "wrapper: handle publish", "wrapper: call processOffer",
		"mediaserver: serve processOffer",
	}
	expectPath(t, "", served...)
	state := expectPath(t, "", append(served, "mediaserver: publish media-state", "wrapper: handle media-state")...)
	if user := state.attributes["orkestro.user.id"]; !strings.Contains(user, ann.ID) && !strings.Contains(user, ben.ID) {
		t.Errorf("the event is about user %s", user)
	}
}

// Spans say what was done for whom, and nothing that is secret or large.
func TestTrace_NothingThatIsSecret(t *testing.T) {
	call(t)
	expectPath(t, "", "restapi: PUT /v1/sessions/{sid}/users/{uid}/publish")
	for _, s := range traces.all() {
		for key, value := range s.attributes {
			for _, secret := range []string{"v=0", "a=ice", "candidate:", "Bearer", "eyJ", "harness-key"} {
				if strings.Contains(value, secret) {
					t.Errorf("%s of span %s: %s", key, s.name, value)
				}
			}
			if len(value) > 256 {
				t.Errorf("%s of span %s has %d bytes", key, s.name, len(value))
			}
		}
	}
}
