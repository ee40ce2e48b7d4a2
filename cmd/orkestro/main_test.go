package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// fakeAPI answers each path with a JSON text, and anything else with a problem document.
func fakeAPI(t *testing.T, answers map[string]string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.Method+" "+r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			answer = `{"status":404,"code":"not_found","detail":"no such session"}`
		}
		_, _ = fmt.Fprint(w, answer)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func runCommand(args ...string) (status int, stdout, stderr string) {
	var out, err bytes.Buffer
	status = run(args, &out, &err)
	return status, out.String(), err.String()
}

const lobby = `{"id":"lobby","state":"active","createdAt":"2026-01-02T03:04:05.000Z","epoch":2,"metadata":{"a":1},` +
	`"maxUsers":0,"region":"","users":1,"pipeline":{"id":"p1","server":"media-1"}}`

func TestSessions(t *testing.T) {
	url := fakeAPI(t, map[string]string{
		"GET /v1/sessions":             `{"items":[` + lobby + `]}`,
		"GET /v1/sessions/lobby":       lobby,
		"GET /v1/sessions/lobby/users": `{"items":[{"id":"ann","name":"Ann","state":"joined","streams":[{"kinds":["audio","video"],"state":"active"}]}]}`,
		"DELETE /v1/sessions/lobby":    ``,
	})
	for _, tc := range []struct {
		args []string
		want []string // in what is printed
	}{
		{[]string{"sessions", "ls"}, []string{"SESSION", "lobby", "active", "media-1"}},
		{[]string{"sessions", "ls", "--json"}, []string{`"id": "lobby"`, `"server": "media-1"`}},
		{[]string{"sessions", "show", "lobby"}, []string{"pipeline", "p1", `{"a":1}`, "ann", "audio+video"}},
		{[]string{"sessions", "show", "lobby", "--json"}, []string{`"session": {`, `"users": [`}},
		{[]string{"sessions", "rm", "lobby"}, []string{"lobby"}},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			status, stdout, stderr := runCommand(append(tc.args, "--url", url)...)
			if status != 0 || stderr != "" {
				t.Fatalf("status %d: %s", status, stderr)
			}
			for _, want := range tc.want {
				if !strings.Contains(stdout, want) {
					t.Errorf("%q is not in:\n%s", want, stdout)
				}
			}
		})
	}
}

func TestServersAndReplicas(t *testing.T) {
	url := fakeAPI(t, map[string]string{
		"GET /v1/admin/servers": `{"items":[{"id":"media-1","status":"up","availability":"active","sessions":3,` +
			`"load":{"cpu":0.5,"memoryBytes":104857600,"bitrateIn":1500000,"bitrateOut":900}}]}`,
		"GET /v1/admin/replicas": `{"items":[{"id":"wrapper-1","service":"wrapper","state":"ready"}]}`,
	})
	_, servers, _ := runCommand("servers", "ls", "--url", url)
	for _, want := range []string{"media-1", "up", "active", "0.50", "100 MiB", "1.5 Mbit/s", "900 bit/s"} {
		if !strings.Contains(servers, want) {
			t.Errorf("%q is not in:\n%s", want, servers)
		}
	}
	if _, replicas, _ := runCommand("replicas", "ls", "--url", url); !strings.Contains(replicas, "wrapper-1") {
		t.Errorf("wrapper-1 is not in:\n%s", replicas)
	}
}

func TestRun_Statuses(t *testing.T) {
	url := fakeAPI(t, nil)
	for _, tc := range []struct {
		args   []string
		status int
		says   string // on one of the two outputs
	}{
		{[]string{"--version"}, 0, ""},
		{[]string{"--help"}, 0, "sessions"},
		{[]string{"sessions", "ls", "--help"}, 0, "--server"},
		{nil, statusUsage, "expected one of"},
		{[]string{"nonsense"}, statusUsage, "nonsense"},
		{[]string{"sessions", "ls", "--state=odd"}, statusUsage, "odd"},
		{[]string{"sessions", "show", "gone", "--url", url}, statusFailed, "no such session (404 not_found)"},
		{[]string{"sessions", "ls", "--url", "http://127.0.0.1:1"}, statusFailed, "cannot be reached"},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			status, stdout, stderr := runCommand(tc.args...)
			if status != tc.status || !strings.Contains(stdout+stderr, tc.says) {
				t.Errorf("status %d, not %d: %s%s", status, tc.status, stdout, stderr)
			}
		})
	}
}
