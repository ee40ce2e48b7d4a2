package contract_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestHTTP_UnknownRoutesAndWrongMethods(t *testing.T) {
	for _, path := range []string{"/nothing", "/v1", "/v1/sessions/", "//v1/sessions", "/v1/x/../sessions", "/v1/admin"} {
		refused(t, 404, "not_found", key, "GET", path, nil)
	}
	for _, call := range []string{
		"PUT /v1/sessions", "DELETE /v1/sessions", "FOO /v1/sessions", "PATCH /v1/sessions/x", "POST /v1/sessions/x",
		"GET /v1/sessions/x/users/y/publish", "PUT /v1/sessions/x/users/y/messages", "POST /docs",
	} {
		method, path, _ := strings.Cut(call, " ")
		refused(t, 405, "method_not_allowed", key, method, path, nil)
	}
	refused(t, 404, "not_found", key, "GET", "/v1/sessions/%2e%2e", nil)
}

func TestHTTP_HeadCORSAndPages(t *testing.T) {
	for _, path := range []string{"/v1/sessions", "/openapi.json", "/docs", "/healthz", "/readyz", "/metrics"} {
		a := must(t, http.StatusOK, key, "HEAD", path, nil)
		if len(a.text) != 0 || a.header.Get("Content-Type") == "" {
			t.Errorf("HEAD %s: %q %v", path, a.text, a.header)
		}
		must(t, http.StatusOK, "", "GET", strings.Replace(path, "/v1/sessions", "/docs", 1), nil)
	}
	preflight := call(t, "", "OPTIONS", "/v1/sessions", nil, "Origin", "https://app.example",
		"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,idempotency-key")
	simple := call(t, "", "GET", "/v1/sessions", nil, "Origin", "https://app.example")
	for _, a := range []answer{preflight, simple} {
		if a.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("CORS: %d %v", a.status, a.header)
		}
	}
	if preflight.status >= 300 {
		t.Errorf("the preflight got %d", preflight.status)
	}
}

func TestOpenAPI_HasEveryCall(t *testing.T) {
	a := must(t, http.StatusOK, "", "GET", "/openapi.json", nil)
	var document struct {
		OpenAPI string                                `json:"openapi"`
		Paths   map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(a.text, &document); err != nil || !strings.HasPrefix(document.OpenAPI, "3.1.") {
		t.Fatalf("OpenAPI %q, %v", document.OpenAPI, err)
	}
	const user = "/v1/sessions/{sid}/users/{uid}"
	for path, methods := range map[string]string{
		"/v1/sessions": "get post", "/v1/sessions/{sid}": "get delete", "/v1/sessions/{sid}/users": "get post",
		user: "get delete", user + "/rejoin": "post", user + "/token": "post", "/v1/sessions/{sid}/streams/{id}": "patch",
		user + "/streams/{id}": "patch", user + "/publish": "put delete", user + "/subscribe": "put delete",
		user + "/subscribe/offer": "post", user + "/publish/candidates": "post", user + "/subscribe/candidates": "post",
		user + "/subscriptions": "put", user + "/messages": "get post", user + "/events": "get",
		"/v1/admin/servers": "get", "/v1/admin/servers/{id}": "get", "/v1/admin/servers/{id}/drain": "post delete",
		"/v1/admin/audit": "get", "/v1/admin/replicas": "get", "/v1/sessions/{sid}/stream-keys": "post",
		"/v1/sessions/{sid}/whip": "post", "/v1/sessions/{sid}/whip/{id}": "patch delete",
		"/v1/sessions/{sid}/whep": "post", "/v1/sessions/{sid}/whep/{id}": "patch delete",
	} {
		for method := range strings.FieldsSeq(methods) {
			if document.Paths[path][method] == nil {
				t.Errorf("no %s %s", method, path)
			}
		}
	}
}

func TestAdmin_Shapes(t *testing.T) {
	servers := must(t, http.StatusOK, key, "GET", "/v1/admin/servers", nil)
	for _, server := range list(t, servers.body["items"]) {
		fields(t, server, "id instance version region url availability status capacity load sessions heartbeatAt drain?")
		fields(t, server.(object)["load"], "cpu memoryBytes pipelines endpoints bitrateIn bitrateOut")
		isTime(t, server.(object)["heartbeatAt"])
		one := must(t, http.StatusOK, key, "GET", "/v1/admin/servers/"+server.(object)["id"].(string), nil)
		fields(t, one.body, "id instance version region url availability status capacity load sessions heartbeatAt drain?")
	}
	refused(t, 404, "not_found", key, "GET", "/v1/admin/servers/none", nil)
	replicas := must(t, http.StatusOK, key, "GET", "/v1/admin/replicas", nil)
	for _, replica := range list(t, replicas.body["items"]) {
		fields(t, replica, "id service version state startedAt heartbeatAt")
	}
	session := newSession(t, object{})
	object := "session:" + strings.TrimPrefix(session, "/v1/sessions/")
	audit := must(t, http.StatusOK, key, "GET", "/v1/admin/audit?limit=1&object="+object, nil)
	if entries := list(t, audit.body["items"]); len(entries) != 1 {
		t.Errorf("audit of %s: %s", object, audit.text)
	}
	refused(t, 422, "invalid", key, "GET", "/v1/admin/audit?since=yesterday", nil)
}

func TestIdempotencyKey_OnEveryPost(t *testing.T) {
	session := newSession(t, object{})
	ann := join(t, session, "ann", nil)
	stamp := time.Now().Format("150405.000000")
	for name, c := range map[string]struct {
		bearer, path string
		body         any
	}{
		"session":    {key, "/v1/sessions", object{"metadata": object{"a": 1}}},
		"join":       {key, session + "/users", object{}},
		"refused":    {key, session + "/users", object{"id": "a/b"}},
		"message":    {ann.token, ann.path + "/messages", object{"type": "x", "data": 1}},
		"candidates": {ann.token, ann.path + "/publish/candidates", object{"epoch": 1, "candidates": []any{}}},
		"offer":      {ann.token, ann.path + "/subscribe/offer", object{"epoch": 1}},
		"token":      {ann.token, ann.path + "/token", nil},
		"rejoin":     {ann.token, ann.path + "/rejoin", nil},
	} {
		header := []string{"Idempotency-Key", name + stamp}
		first := call(t, c.bearer, "POST", c.path, c.body, header...)
		again := call(t, c.bearer, "POST", c.path, c.body, header...)
		if first.status != again.status || string(first.text) != string(again.text) ||
			first.header.Get("Location") != again.header.Get("Location") ||
			first.header.Get("Content-Type") != again.header.Get("Content-Type") {
			t.Errorf("%s: %d %s, then %d %s", name, first.status, first.text, again.status, again.text)
		}
		refused(t, 422, "invalid", c.bearer, "POST", c.path, `{"other":1}`, header...)
	}
	for _, bad := range []string{"", "a b", strings.Repeat("x", 129)} {
		refused(t, 422, "invalid", key, "POST", "/v1/sessions", object{}, "Idempotency-Key", bad)
	}
	messages := 0
	for _, m := range ann.poll("2s") {
		if m["type"] == "message" {
			messages++
		}
	}
	if messages != 1 {
		t.Errorf("a message sent twice under one key arrived %d times", messages)
	}
}

func TestRateLimit_IsOfUserTokens(t *testing.T) {
	session := newSession(t, object{})
	ann := join(t, session, "ann", nil)
	began := time.Now()
	for n := range 1000 {
		a := call(t, ann.token, "GET", ann.path, nil)
		if a.status == http.StatusOK {
			continue
		}
		if a.status != http.StatusTooManyRequests || a.body["code"] != "rate_limited" || a.header.Get("Retry-After") == "" {
			t.Errorf("got %d %s", a.status, a.text)
		}
		if n < 100 {
			t.Errorf("refused after %d requests, a burst of 100 is allowed", n)
		}
		must(t, http.StatusOK, key, "GET", ann.path, nil)
		return
	}
	if time.Since(began) < 10*time.Second {
		t.Error("1000 requests at once, and none refused")
	}
}
