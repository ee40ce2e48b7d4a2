package browser_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"testing"

	"github.com/orkestro/orkestro/cmd/orkestro/demo"
	"github.com/orkestro/orkestro/pkg/testkit/rabbit"
	"github.com/orkestro/orkestro/tests/harness"
)

// harnessKey is the API key of a harness fleet.
const harnessKey = "harness-key"

// TestMediaServerDies kills the media server of a call: the pages go on by themselves, on the other server, with the same
// users, messages and <video> elements.
func TestMediaServerDies(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser and a whole fleet")
	}
	browser := startBrowser(t)
	fleet := startProcesses(t)
	page := serveDemo(t, fleet) + "/demo/"
	ann := browser.visit(page, "Ann", "picture")
	bob := browser.visit(page, "Bob", "picture")
	ann.sees("Bob")
	bob.sees("Ann")
	ann.until("knows the server", `return document.querySelector('`+string(byTestID("server"))+`').textContent === '–' ? 'no' : '';`)

	name := ann.fact("server")
	for _, server := range fleet.MediaServers {
		if server.Name == name {
			server.Kill()
		}
	}

	for v, other := range map[*visitor]string{ann: "Bob", bob: "Ann"} {
		v.shows("log", "reconnected")
		v.isTold(other, "back after")
		t.Logf("%s: picture of %s %s", v.name, other, v.note(other))
	}
	ann.sees("Bob")
	bob.sees("Ann")
	bob.hears("Ann")
	ann.say("still here")
	bob.shows("messages", "Ann still here")
	if now := ann.fact("server"); now == name {
		t.Errorf("still on %s, which was killed", now)
	}
	ann.hasTwoConnectionsAtMost()
	bob.hasTwoConnectionsAtMost()
}

// startProcesses starts a fleet with two media servers to choose from.
func startProcesses(t *testing.T) *harness.Fleet {
	t.Helper()
	fleet, err := harness.Start(t.Context(), "browser-fleet", harness.Options{RestAPIs: 1, Wrappers: 2, MediaServers: 2})
	if errors.Is(err, rabbit.ErrNotInstalled) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("start a fleet: %v", err)
	}
	t.Cleanup(func() {
		if err := fleet.Close(t.Failed()); err != nil {
			t.Errorf("the fleet did not end well: %v", err)
		}
	})
	return fleet
}

// serveDemo serves the demo page and the API under one origin, as `orkestro dev` does.
func serveDemo(t *testing.T, fleet *harness.Fleet) string {
	t.Helper()
	api := &url.URL{Scheme: "http", Host: fleet.RestAPIs[0].Address}
	mux := http.NewServeMux()
	mux.Handle("/demo/", demo.Handler(demo.Config{APIURL: api.String(), APIKey: harnessKey}))
	proxy := httputil.NewSingleHostReverseProxy(api)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	mux.Handle("/", proxy)
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		server.CloseClientConnections() // polls of pages that are still open
		server.Close()
	})
	return server.URL
}
