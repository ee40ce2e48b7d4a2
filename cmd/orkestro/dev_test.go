package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/orkestro/orkestro/cmd/orkestro/internal/operator"
)

// startDev runs `orkestro dev` until stop is called, and gives the address of its API.
func startDev(t *testing.T, c devCommand) (api string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := c.Run(ctx, terminal{out: writer, err: t.Output()})
		_ = writer.CloseWithError(err)
		ended <- err
	}()
	var banner strings.Builder
	buffer := make([]byte, 4096)
	for !strings.Contains(banner.String(), "Ctrl-C") {
		n, err := reader.Read(buffer)
		if err != nil {
			t.Fatalf("the fleet did not start: %v", err)
		}
		banner.Write(buffer[:n])
	}
	found := regexp.MustCompile(`API +(http://\S+)/v1 `).FindStringSubmatch(banner.String())
	if found == nil {
		t.Fatalf("no API in the banner:\n%s", banner.String())
	}
	return found[1], func() {
		t.Helper()
		cancel()
		select {
		case err := <-ended:
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("the fleet ended with %v", err)
			}
		case <-time.After(15 * time.Second):
			t.Fatal("the fleet did not end")
		}
	}
}

func createSession(t *testing.T, api, id string) {
	t.Helper()
	body := strings.NewReader(`{"id":"` + id + `"}`)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, api+"/v1/sessions", body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer devkey")
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		t.Fatalf("create a session: %s", response.Status)
	}
}

func devDefaults() devCommand {
	const anyPort = "127.0.0.1:0"
	return devCommand{
		Listen: anyPort, MediaListen: anyPort, APIKey: "devkey", Demo: true, LogLevel: "warn", LogFormat: "text",
	}
}

func TestDev_IsAWholeFleet(t *testing.T) {
	api, stop := startDev(t, devDefaults())
	defer stop()
	client := operator.New(api, "devkey")
	servers, err := client.Servers(t.Context())
	if err != nil || len(servers) != 2 {
		t.Errorf("media servers %v, %v", servers, err)
	}
	replicas, err := client.Replicas(t.Context())
	if err != nil || len(replicas) != 4 {
		t.Errorf("replicas %v, %v", replicas, err)
	}
}

func TestDev_KeepsSessionsInItsDirectory(t *testing.T) {
	c := devDefaults()
	c.Data = t.TempDir()
	api, stop := startDev(t, c)
	createSession(t, api, "lasting")
	stop()

	api, stop = startDev(t, c)
	defer stop()
	session, err := operator.New(api, "devkey").Session(t.Context(), "lasting")
	if err != nil || session.State != "active" {
		t.Errorf("after the restart: %+v, %v", session, err)
	}
	if err := operator.New(api, "devkey").CloseSession(t.Context(), "lasting"); err != nil {
		t.Errorf("close it after the restart: %v", err)
	}
}

func TestDev_TakenPort(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	status, _, stderr := runCommand("dev", "--listen", listener.Addr().String())
	if status != statusFailed || !strings.Contains(stderr, "choose another with --listen") {
		t.Errorf("status %d: %s", status, stderr)
	}
}
