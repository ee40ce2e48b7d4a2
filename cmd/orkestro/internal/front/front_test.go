package front_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/orkestro/orkestro/cmd/orkestro/internal/front"
)

// replica answers with its name and what it was sent.
func replica(t *testing.T, name string) *url.URL {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s %s %s", name, r.Method, r.URL.RequestURI(), body)
	}))
	t.Cleanup(server.Close)
	return parse(t, server.URL)
}

// absent is the address of a replica that is not running.
func absent(t *testing.T) *url.URL {
	t.Helper()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	return parse(t, server.URL)
}

func parse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func open(t *testing.T, demo http.Handler, replicas ...*url.URL) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(front.Handler(replicas, demo, slog.New(slog.DiscardHandler)))
	t.Cleanup(server.Close)
	return server
}

func post(t *testing.T, address, body string) string {
	t.Helper()
	response, err := http.Post(address, "text/plain", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

func TestHandler_TakesReplicasInTurn(t *testing.T) {
	server := open(t, nil, replica(t, "a"), replica(t, "b"))
	seen := map[string]int{}
	for range 10 {
		name, rest, _ := strings.Cut(post(t, server.URL+"/v1/x%2Fy?q=1", "hello"), " ")
		if rest != "POST /v1/x%2Fy?q=1 hello" {
			t.Fatalf("the replica was sent %q", rest)
		}
		seen[name]++
	}
	if seen["a"] != 5 || seen["b"] != 5 {
		t.Errorf("10 requests went to %v", seen)
	}
}

func TestHandler_GoesOnToTheNextReplica(t *testing.T) {
	server := open(t, nil, absent(t), replica(t, "b"))
	for range 4 {
		if answer := post(t, server.URL+"/v1", "the body"); answer != "b POST /v1 the body" {
			t.Fatalf("answer %q", answer)
		}
	}
}

func TestHandler_NoReplicaIsUnavailable(t *testing.T) {
	server := open(t, nil, absent(t))
	response, err := http.Get(server.URL + "/v1/sessions")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" ||
		response.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("answer %d with %v", response.StatusCode, response.Header)
	}
}

func TestHandler_LeadsToTheDemo(t *testing.T) {
	demo := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the demo") })
	server := open(t, demo, absent(t))
	response, err := http.Get(server.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if body, _ := io.ReadAll(response.Body); string(body) != "the demo" || response.Request.URL.Path != "/demo/" {
		t.Errorf("/ led to %s: %q", response.Request.URL, body)
	}
}

func TestHandler_PassesEventsOnAtOnce(t *testing.T) {
	more := make(chan struct{})
	events := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: one\n")
		_ = http.NewResponseController(w).Flush()
		<-more
		_, _ = io.WriteString(w, "data: two\n")
	}))
	t.Cleanup(events.Close)
	response, err := http.Get(open(t, nil, parse(t, events.URL)).URL + "/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewScanner(response.Body)
	for _, want := range []string{"data: one", "data: two"} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("line %q, want %q", lines.Text(), want)
		}
		if want == "data: one" {
			close(more)
		}
	}
}

func TestHandler_LeavesPathsAsTheyAre(t *testing.T) {
	server := open(t, http.NotFoundHandler(), replica(t, "a"))
	for _, path := range []string{"//v1", "/v1/../x", "/v1/./x", "/v1//", "/demonstration"} {
		if answer := post(t, server.URL+path, ""); answer != "a POST "+path+" " {
			t.Errorf("%s: answer %q", path, answer)
		}
	}
}

// TestHandler_PassesRefusalsOnAtOnce: a replica refuses a body of which only a part is there.
func TestHandler_PassesRefusalsOnAtOnce(t *testing.T) {
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	}))
	t.Cleanup(refusing.Close)
	server := open(t, nil, parse(t, refusing.URL))
	body, rest := io.Pipe()
	t.Cleanup(func() { _ = rest.Close() })
	go func() { _, _ = rest.Write([]byte("the first part")) }()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/v1", body)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 5 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusRequestEntityTooLarge || !response.Close {
		t.Errorf("status %d, close %v", response.StatusCode, response.Close)
	}
}
