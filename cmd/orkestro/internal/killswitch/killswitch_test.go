package killswitch_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orkestro/orkestro/cmd/orkestro/internal/fleet"
	"github.com/orkestro/orkestro/cmd/orkestro/internal/killswitch"
	"github.com/orkestro/orkestro/cmd/orkestro/internal/operator"
)

// server is a media server that notes what is done to it.
type server struct {
	id    string
	state fleet.State
	done  []string
}

func (s *server) ID() string                          { return s.id }
func (s *server) State() (fleet.State, time.Duration) { return s.state, 1500 * time.Millisecond }
func (s *server) Kill() bool                          { return s.change(fleet.Running, fleet.Killed) }
func (s *server) Start() bool                         { return s.change(fleet.Killed, fleet.Running) }

func (s *server) change(from, to fleet.State) bool {
	if s.state != from {
		return false
	}
	s.state, s.done = to, append(s.done, string(to))
	return true
}

// api is what the fleet says of itself.
type api struct{ err error }

func (a api) Servers(context.Context) ([]operator.MediaServer, error) {
	m1, m2 := operator.MediaServer{ID: "m1"}, operator.MediaServer{ID: "m2"}
	m1.Load.BitrateIn, m1.Load.BitrateOut, m1.Load.Endpoints = 1000, 2000, 4
	m2.Load = m1.Load
	return []operator.MediaServer{m1, m2}, a.err
}

func (a api) Sessions(context.Context, operator.SessionFilter) ([]operator.Session, error) {
	var sessions []operator.Session
	err := json.Unmarshal([]byte(`[{"id":"daily","users":2,"epoch":3,"pipeline":{"id":"p","server":"m1"}},
		{"id":"empty","users":0,"epoch":0,"pipeline":null}]`), &sessions)
	return sessions, errors.Join(err, a.err)
}

const page = `<!doctype html><body><header>h</header><main id="tables" hidden></main></body>`

// replica serves the operator's page, and names what else it was asked.
func replica(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != "/admin":
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, r.Method+" "+r.URL.Path)
	case r.URL.RawQuery == "broken":
		http.Error(w, page, http.StatusServiceUnavailable)
	default:
		w.Header().Set("Content-Length", "78")
		_, _ = io.WriteString(w, page)
	}
}

func handler(a api, servers ...*server) http.Handler {
	return killswitch.Handler(http.HandlerFunc(replica), servers, a, slog.New(slog.DiscardHandler))
}

// request is one from the person at the machine, unless change says otherwise.
func request(method, target string, change func(*http.Request)) *http.Request {
	r := httptest.NewRequest(method, target, http.NoBody)
	r.RemoteAddr, r.Host = "127.0.0.1:5000", "127.0.0.1:8080"
	if change != nil {
		change(r)
	}
	return r
}

func ask(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestHandler_KillsAndStarts(t *testing.T) {
	m1, m2 := &server{id: "m1", state: fleet.Running}, &server{id: "m2", state: fleet.Running}
	h := handler(api{}, m1, m2)
	for _, step := range []struct {
		path string
		want int
	}{
		{"/dev/servers/m2/kill", http.StatusNoContent},
		{"/dev/servers/m2/kill", http.StatusConflict},
		{"/dev/servers/m2/start", http.StatusNoContent},
		{"/dev/servers/m2/start", http.StatusConflict},
		{"/dev/servers/m3/kill", http.StatusNotFound},
		{"/dev/servers/m2/bury", http.StatusNotFound},
	} {
		if w := ask(h, request("POST", step.path, nil)); w.Code != step.want {
			t.Errorf("POST %s: %d %s, want %d", step.path, w.Code, w.Body, step.want)
		}
	}
	if diff := cmp.Diff([]string{"killed", "running"}, m2.done); diff != "" || m1.done != nil {
		t.Errorf("m1 %v, m2 -want +got:\n%s", m1.done, diff)
	}
}

// Only the person at this machine presses the button, not a page of elsewhere in that person's browser.
func TestHandler_RefusesOthers(t *testing.T) {
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for name, c := range map[string]struct {
		change  func(*http.Request)
		allowed bool
	}{
		"its own page":              {header("Sec-Fetch-Site", "same-origin"), true},
		"a program":                 {nil, true},
		"by IPv6":                   {func(r *http.Request) { r.RemoteAddr, r.Host = "[::1]:5000", "[::1]:8080" }, true},
		"by name":                   {func(r *http.Request) { r.Host = "tab-1.localhost:8080" }, true},
		"a page of another site":    {header("Sec-Fetch-Site", "cross-site"), false},
		"a page of another port":    {header("Sec-Fetch-Site", "same-site"), false},
		"an old browser":            {header("Origin", "https://example.org"), false},
		"a name that was led here":  {func(r *http.Request) { r.Host = "example.org:8080" }, false},
		"a name that looks like it": {func(r *http.Request) { r.Host = "localhost.example.org" }, false},
		"another machine":           {func(r *http.Request) { r.RemoteAddr = "192.0.2.1:5000" }, false},
		"by an outside address":     {func(r *http.Request) { r.Host = "192.0.2.7:8080" }, false},
	} {
		m1 := &server{id: "m1", state: fleet.Running}
		w := ask(handler(api{}, m1), request("POST", "/dev/servers/m1/kill", c.change))
		if killed := m1.state == fleet.Killed; killed != c.allowed || (w.Code == http.StatusForbidden) == c.allowed {
			t.Errorf("%s: killed %t, answered %d", name, killed, w.Code)
		}
	}
}

func TestHandler_Lists(t *testing.T) {
	h := handler(api{}, &server{id: "m1", state: fleet.Running}, &server{id: "m2", state: fleet.Killed})
	w := ask(h, request("GET", "/dev/servers", nil))
	const want = `[{"id":"m1","state":"running","startsInMs":1500,"bitrateIn":1000,"bitrateOut":2000,"endpoints":4,` +
		`"sessions":[{"id":"daily","users":2,"epoch":3}]},` +
		`{"id":"m2","state":"killed","startsInMs":1500,"bitrateIn":0,"bitrateOut":0,"endpoints":0,"sessions":[]}]`
	if diff := cmp.Diff(want, strings.TrimSpace(w.Body.String())); w.Code != http.StatusOK || diff != "" {
		t.Errorf("%d, -want +got:\n%s", w.Code, diff)
	}
	if w := ask(handler(api{err: errors.New("away")}), request("GET", "/dev/servers", nil)); w.Code != 503 {
		t.Errorf("without the API: %d %s", w.Code, w.Body)
	}
}

func TestHandler_PutsItsPartIntoTheOperatorsPage(t *testing.T) {
	h := handler(api{})
	elsewhere := func(r *http.Request) { r.RemoteAddr = "192.0.2.1:5000" }
	for name, c := range map[string]struct {
		request *http.Request
		status  int
		part    bool
	}{
		"the page":              {request("GET", "/admin", nil), http.StatusOK, true},
		"an error in its place": {request("GET", "/admin?broken", nil), http.StatusServiceUnavailable, false},
		"from elsewhere":        {request("GET", "/admin", elsewhere), http.StatusOK, false},
	} {
		w := ask(h, c.request)
		body := w.Body.String()
		if w.Code != c.status || strings.Contains(body, `id="dev-servers"`) != c.part {
			t.Errorf("%s: %d %s", name, w.Code, body)
		}
		before, after, _ := strings.Cut(page, "<main")
		if !strings.HasPrefix(body, before) || !strings.Contains(body, "<main"+after) {
			t.Errorf("%s: the page itself has changed: %s", name, body)
		}
	}
	if w := ask(h, request("DELETE", "/v1/sessions/s", nil)); w.Code != http.StatusTeapot {
		t.Errorf("the API's own paths are not for here: %d", w.Code)
	}
}
