package app_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/services/restapi/app"
)

// userCalls is every call that a user's token is good for, from the API's own description.
func (f *fleet) userCalls() (calls [][2]string) {
	f.tb.Helper()
	var description struct {
		Paths map[string]map[string]any
	}
	f.must(http.StatusOK, "", http.MethodGet, "/openapi.json", nil).decode(f.tb, &description)
	for path, methods := range description.Paths {
		if !strings.HasPrefix(path, "/v1/sessions/{sid}/users/{uid}") {
			continue
		}
		for method := range methods {
			switch method {
			case "get", "put", "post", "delete", "patch":
				calls = append(calls, [2]string{strings.ToUpper(method), path})
			}
		}
	}
	return calls
}

// TestRateLimit_EveryCallOfAUser: whatever a user floods with is refused before anything is done for it, and says when to
// come again; nobody else is.
func TestRateLimit_EveryCallOfAUser(t *testing.T) {
	f := newFleet(t, 1, func(c *app.Config) { c.UserRate, c.UserBurst = 0.01, 3 })
	session := f.session()
	ann, annToken := f.user(session, "ann")
	bob, bobToken := f.user(session, "bob")
	for range 3 {
		f.must(http.StatusOK, annToken, http.MethodGet, ann, nil)
	}
	calls := f.userCalls()
	if len(calls) < 15 {
		t.Fatalf("only %d calls of users: %v", len(calls), calls)
	}
	for _, call := range calls {
		path := strings.NewReplacer("{sid}", session, "{uid}", "ann", "{id}", "stream").Replace(call[1])
		refused := f.call(annToken, call[0], path, object{})
		f.problem(refused, http.StatusTooManyRequests, "rate_limited")
		if seconds, err := strconv.Atoi(refused.header.Get("Retry-After")); err != nil || seconds < 1 {
			t.Errorf("%s %s: Retry-After %q", call[0], path, refused.header.Get("Retry-After"))
		}
	}
	f.must(http.StatusOK, bobToken, http.MethodGet, bob, nil)
	f.must(http.StatusOK, apiKey, http.MethodGet, ann, nil)
}

// An API key has no limit unless it is configured.
func TestRateLimit_OfAPIKeys(t *testing.T) {
	f := newFleet(t, 1, nil)
	session := f.session()
	for range 20 {
		f.must(http.StatusOK, apiKey, http.MethodGet, "/v1/sessions/"+session, nil)
	}
	limited := newFleet(t, 1, func(c *app.Config) { c.KeyRate, c.KeyBurst = 0.01, 3 })
	for range 3 {
		limited.must(http.StatusOK, "otherkey", http.MethodGet, "/v1/sessions", nil)
	}
	limited.problem(limited.call("otherkey", http.MethodPost, "/v1/sessions", object{}),
		http.StatusTooManyRequests, "rate_limited")
	limited.session() // with the other key
}

// Whoever goes on beyond its rate does not fill the audit.
func TestRateLimit_KeepsFloodsOutOfTheAudit(t *testing.T) {
	f := newFleet(t, 1, func(c *app.Config) { c.KeyRate, c.KeyBurst = 0.01, 2 })
	for range 2 {
		f.problem(f.call(apiKey, "POST", "/v1/admin/rollouts", object{}), http.StatusUnprocessableEntity, "invalid")
	}
	for range 5 {
		f.problem(f.call(apiKey, "POST", "/v1/admin/rollouts", object{}), http.StatusTooManyRequests, "rate_limited")
	}
	if calls := f.operatorsCalls(); len(calls) != 2 {
		t.Errorf("entered: %v", calls)
	}
}
