package demo_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orkestro/orkestro/cmd/orkestro/demo"
)

// api is a REST API that answers each call as its test says and notes what it was asked.
type api struct {
	sessions, users func(w http.ResponseWriter)
	calls           []string
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.calls = append(a.calls, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization")+" "+string(body))
	if strings.HasSuffix(r.URL.Path, "/users") {
		a.users(w)
		return
	}
	a.sessions(w)
}

func answer(status int, body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

const added = `{"user":{"id":"u1"},"token":"t","expiresAt":"2030-01-01T00:00:00.000Z","iceServers":[],"epoch":1}`

func open(t *testing.T, a *api) string {
	t.Helper()
	backend := httptest.NewServer(a)
	t.Cleanup(backend.Close)
	page := httptest.NewServer(demo.Handler(demo.Config{APIURL: backend.URL, APIKey: "secret"}))
	t.Cleanup(page.Close)
	return page.URL
}

func post(t *testing.T, url, contentType, body string) (status int, result map[string]any) {
	t.Helper()
	response, err := http.Post(url+"/demo/join", contentType, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if err := json.NewDecoder(response.Body).Decode(&result); err != nil {
		t.Fatalf("decode answer %d: %v", response.StatusCode, err)
	}
	return response.StatusCode, result
}

func TestJoin_MakesTheSessionAndAddsTheUser(t *testing.T) {
	for name, created := range map[string]int{"new session": http.StatusCreated, "session is there": http.StatusConflict} {
		t.Run(name, func(t *testing.T) {
			a := &api{sessions: answer(created, `{"code":"conflict"}`), users: answer(http.StatusCreated, added)}
			status, got := post(t, open(t, a), "application/json", `{"session":"daily","name":"Ann"}`)
			want := map[string]any{
				"url": "", "session": "daily", "user": map[string]any{"id": "u1"}, "token": "t",
				"expiresAt": "2030-01-01T00:00:00.000Z", "iceServers": []any{}, "epoch": 1.0,
			}
			if diff := cmp.Diff(want, got); status != http.StatusOK || diff != "" {
				t.Errorf("status %d, -want +got:\n%s", status, diff)
			}
			calls := []string{
				`POST /v1/sessions Bearer secret {"id":"daily"}`,
				`POST /v1/sessions/daily/users Bearer secret {"name":"Ann"}`,
			}
			if diff := cmp.Diff(calls, a.calls); diff != "" {
				t.Errorf("calls, -want +got:\n%s", diff)
			}
		})
	}
}

func TestJoin_PassesOnWhatTheAPIRefused(t *testing.T) {
	a := &api{
		sessions: answer(http.StatusConflict, `{"code":"conflict"}`),
		users:    answer(http.StatusGone, `{"code":"gone","detail":"the session is closed"}`),
	}
	status, got := post(t, open(t, a), "application/json", `{"session":"daily","name":"Ann"}`)
	if status != http.StatusGone || got["code"] != "gone" || got["detail"] != "the session is closed" {
		t.Errorf("got %d %v", status, got)
	}
}

func TestJoin_APIThatIsNotThere(t *testing.T) {
	page := httptest.NewServer(demo.Handler(demo.Config{APIURL: "http://127.0.0.1:1", APIKey: "secret"}))
	t.Cleanup(page.Close)
	status, got := post(t, page.URL, "application/json", `{"session":"daily","name":"Ann"}`)
	if status != http.StatusBadGateway || got["code"] != "unavailable" {
		t.Errorf("got %d %v", status, got)
	}
}

func TestJoin_RefusesBadInput(t *testing.T) {
	cases := map[string]struct{ contentType, body string }{
		"form of another site": {"text/plain", `{"session":"daily","name":"Ann"}`},
		"no JSON":              {"application/json", `session`},
		"bad session name":     {"application/json", `{"session":"a/b","name":"Ann"}`},
		"long name":            {"application/json", `{"session":"daily","name":"` + strings.Repeat("é", 65) + `"}`},
		"long body":            {"application/json", `{"session":"` + strings.Repeat("a", 8192) + `"}`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			a := &api{}
			status, got := post(t, open(t, a), c.contentType, c.body)
			if status != http.StatusUnprocessableEntity || got["code"] != "invalid" || len(a.calls) != 0 {
				t.Errorf("got %d %v, calls %v", status, got, a.calls)
			}
		})
	}
}

func TestHandler_ServesPageAndSDK(t *testing.T) {
	page := open(t, &api{})
	for path, kind := range map[string]string{
		"/demo/":                    "text/html; charset=utf-8",
		"/demo/demo.js":             "text/javascript; charset=utf-8",
		"/demo/demo.css":            "text/css; charset=utf-8",
		"/demo/sdk/orkestro.js":     "text/javascript; charset=utf-8",
		"/demo/sdk/src/messages.js": "text/javascript; charset=utf-8",
	} {
		response, err := http.Get(page + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if got := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || got != kind {
			t.Errorf("%s: %d, %q", path, response.StatusCode, got)
		}
		if policy := response.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'self'") {
			t.Errorf("%s: Content-Security-Policy %q", path, policy)
		}
	}
}
