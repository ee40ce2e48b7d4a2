package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// answerWithin is the promise of the API that what cannot be confirmed in 5 s is refused, with room for a machine that
// is busy with a whole fleet.
const answerWithin = 5*time.Second + 3*time.Second

// needs says what a call cannot be answered without.
type needs string

const (
	database   needs = "database"
	everything needs = "broker and database"
)

// apiCall is one call of the API. Its path may hold SID and UID.
type apiCall struct {
	name   string
	needs  needs
	method string
	path   string
	body   string
	header map[string]string
}

// everyCall is one of each kind that says something about a session or the fleet.
func everyCall() []apiCall {
	const user = "/v1/sessions/SID/users/UID"
	key := map[string]string{"Idempotency-Key": "SID"}
	return []apiCall{
		{"create", everything, "POST", "/v1/sessions", `{}`, nil},
		{"create with a key", everything, "POST", "/v1/sessions", `{}`, key},
		{"list", database, "GET", "/v1/sessions", "", nil},
		{"read", database, "GET", "/v1/sessions/SID", "", nil},
		{"close", everything, "DELETE", "/v1/sessions/SID", "", nil},
		{"join", everything, "POST", "/v1/sessions/SID/users", `{"id":"late"}`, nil},
		{"rejoin", everything, "POST", user + "/rejoin", `{}`, nil},
		{"renew", database, "POST", user + "/token", `{}`, nil},
		{"users", database, "GET", "/v1/sessions/SID/users", "", nil},
		{"user", database, "GET", user, "", nil},
		{"leave", everything, "DELETE", user, "", nil},
		{"publish", everything, "PUT", user + "/publish", offerJSON, nil},
		{"publish and wait", everything, "PUT", user + "/publish", offerJSON, map[string]string{"Prefer": "wait=2"}},
		{"ask for an offer", everything, "POST", user + "/subscribe/offer", `{"epoch":1}`, nil},
		{"stop receiving", everything, "DELETE", user + "/subscribe", "", nil},
		{"candidates", everything, "POST", user + "/publish/candidates", `{"epoch":1,"candidates":[],"end":true}`, nil},
		{"subscriptions", everything, "PUT", user + "/subscriptions", `{"mode":"all"}`, nil},
		{"send to all", everything, "POST", user + "/messages", `{"type":"t","data":1}`, nil},
		{"send to one", everything, "POST", user + "/messages", `{"type":"t","data":1,"to":"UID"}`, nil},
		{"send with a key", everything, "POST", user + "/messages", `{"type":"t","data":1}`, key},
		{"poll", everything, "GET", user + "/messages", "", nil},
		{"events", everything, "GET", user + "/events", "", nil},
		{"servers", database, "GET", "/v1/admin/servers", "", nil},
		{"audit", database, "GET", "/v1/admin/audit", "", nil},
		{"replicas", database, "GET", "/v1/admin/replicas", "", nil},
	}
}

// offerJSON holds an SDP that looks like one, which is as much as a REST replica can tell.
const offerJSON = `{"seq":1,"epoch":1,"sdp":"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n` +
	`m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"}`

// expectRefusals makes every call at once while something is missing: each one that needs it is refused in time, with 503
// and word of when to try again; the others are answered. User is one whom nothing else is asked of.
func expectRefusals(t *testing.T, missing needs, user member) {
	t.Helper()
	var group sync.WaitGroup
	var slowest slowest
	for _, call := range everyCall() {
		group.Go(func() {
			began := time.Now()
			status, problem, err := call.make(t.Context(), user)
			took := time.Since(began)
			slowest.add(call.name, took)
			switch {
			case took > answerWithin:
				t.Errorf("%s: answered after %s", call.name, took)
			case err != nil:
				t.Errorf("%s: %v", call.name, err)
			case call.needs == database && missing != database:
				if status >= http.StatusBadRequest {
					t.Errorf("%s: refused with %d %s, although it needs the database alone", call.name, status, problem)
				}
			case status != http.StatusServiceUnavailable || problem != "unavailable":
				t.Errorf("%s: got %d %s, want 503 unavailable", call.name, status, problem)
			}
		})
	}
	group.Wait()
	t.Logf("%d kinds of calls were answered, the slowest (%s) in %s", len(everyCall()), slowest.name, slowest.took)
}

// make makes the call at the next replica and gives the code of its problem document, "no Retry-After" for a 503 that
// does not say when to try again.
func (c apiCall) make(ctx context.Context, user member) (status int, problem string, err error) {
	fill := strings.NewReplacer("SID", user.session, "UID", user.id).Replace
	call := harness.Request{Method: c.method, Path: fill(c.path), Body: fill(c.body), Header: map[string]string{}}
	if strings.Contains(c.path, "UID") {
		call.Bearer = user.token
	}
	for name, value := range c.header {
		call.Header[name] = fill(value)
	}
	answer, err := fleet.API.Raw(ctx, call)
	if err != nil || answer.Status < http.StatusBadRequest {
		return answer.Status, "", err
	}
	var document struct {
		Code string `json:"code"`
	}
	if err := json.Unmarshal(answer.Body, &document); err != nil {
		return answer.Status, "", fmt.Errorf("%s: %w", answer.Body, err)
	}
	if answer.Status == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") == "" {
		return answer.Status, "no Retry-After", nil
	}
	return answer.Status, document.Code, nil
}

// slowest is the call that took longest.
type slowest struct {
	mu   sync.Mutex
	name string
	took time.Duration
}

func (s *slowest) add(name string, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if took > s.took {
		s.name, s.took = name, took
	}
}

// services is every process of the fleet but what it stands on.
func services() []*harness.Process {
	return slices.Concat(fleet.MediaServers, fleet.Wrappers, fleet.RestAPIs)
}

// probe asks a process how it is.
func probe(ctx context.Context, p *harness.Process, path string) (status int, said string, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Address+path, nil)
	if err != nil {
		return 0, "", err
	}
	answer, err := harness.Ask(request)
	return answer.Status, string(answer.Body), err
}

// expectAlive checks that every service is alive, whatever it lacks.
func expectAlive(t *testing.T) {
	t.Helper()
	for _, p := range services() {
		if status, said, err := probe(t.Context(), p, "/healthz"); status != http.StatusOK {
			t.Errorf("%s is not alive: %d %s %v", p.Name, status, said, err)
		}
	}
}

// expectNotReady waits until every service says that it is not ready, and that this is why.
func expectNotReady(t *testing.T, why string) {
	t.Helper()
	began := time.Now()
	for _, p := range services() {
		testkit.Eventually(t, func() error {
			status, said, err := probe(t.Context(), p, "/readyz")
			if status != http.StatusServiceUnavailable || !strings.Contains(said, why) {
				return fmt.Errorf("%s answered %d %q %w, want 503 naming the %s", p.Name, status, said, err, why)
			}
			return nil
		})
	}
	t.Logf("all services said that the %s is missing after %s", why, time.Since(began))
}

// expectReady waits until every service is ready again.
func expectReady(t *testing.T) {
	t.Helper()
	for _, p := range services() {
		testkit.Eventually(t, func() error {
			status, said, err := probe(t.Context(), p, "/readyz")
			if status != http.StatusOK {
				return fmt.Errorf("%s answered %d %q %w", p.Name, status, said, err)
			}
			return nil
		})
	}
}
