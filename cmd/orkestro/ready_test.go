package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/testkit"
)

func TestReady_SaysWhatAFleetServes(t *testing.T) {
	api, stop := startDev(t, devDefaults())
	defer stop()
	var out bytes.Buffer
	c := readyCommand{
		apiFlags: apiFlags{URL: api, Key: "devkey"}, PublicURL: "https://calls.example.com/", Demo: true,
		RestAPIs: 2, Wrappers: 2, MediaServers: 2, Timeout: 20 * time.Second,
	}
	if err := c.Run(t.Context(), terminal{out: &out}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"2 REST replicas, 2 Wrappers and 2 media servers.", "https://calls.example.com/demo/",
		"https://calls.example.com/v1   key: devkey", "ws://",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}

	c.Timeout, c.MediaServers = time.Millisecond, 3
	if err := c.Run(t.Context(), terminal{out: io.Discard}); err == nil || !strings.Contains(err.Error(), "not ready") {
		t.Errorf("three media servers were found: %v", err)
	}

	c.Timeout, c.Key = time.Hour, "another" // no time makes it right
	if err := c.Run(t.Context(), terminal{out: io.Discard}); err == nil || !strings.Contains(err.Error(), "--key") {
		t.Errorf("ready without a key: %v", err)
	}
}

func TestHealth(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "broker: not connected\n")
	}))
	defer server.Close()
	var printed bytes.Buffer
	if exit := run([]string{"health", server.URL}, &printed, &printed); exit != 0 {
		t.Errorf("status %d: %s", exit, printed.String())
	}
	status = http.StatusServiceUnavailable
	if exit := run([]string{"health", server.URL}, &printed, &printed); exit != statusFailed {
		t.Errorf("status %d of a process that is not ready", exit)
	}
	if !strings.Contains(printed.String(), "broker: not connected") {
		t.Errorf("no reason: %s", printed.String())
	}
	server.Close()
	if exit := run([]string{"health", server.URL}, io.Discard, io.Discard); exit != statusFailed {
		t.Errorf("status %d of a process that is not there", exit)
	}
}

func TestDemo_BeforeAnotherFleet(t *testing.T) {
	api, stop := startDev(t, devDefaults())
	defer stop()
	address := testAddress(t)
	c := demoCommand{
		apiFlags: apiFlags{URL: api, Key: "devkey"}, Listen: address, PublicURL: api,
		Logging: logging.Config{Level: "error", Format: "text"},
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Run(t.Context(), terminal{out: io.Discard, err: t.Output()}) }()
	testkit.Eventually(t, func() error {
		return (&healthCommand{URL: "http://" + address + "/readyz"}).Run(t.Context(), terminal{})
	})
	body := strings.NewReader(`{"session":"demo","name":"Ann"}`)
	response, err := http.Post("http://"+address+"/demo/join", "application/json", body)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(answer), `"url":"`+api) {
		t.Errorf("join: %s %s %v", response.Status, answer, err)
	}
}

// testAddress is one that nothing listens on at the moment.
func testAddress(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}
