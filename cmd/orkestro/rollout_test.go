package main

import (
	"strings"
	"testing"
)

const (
	runningRollout = `{"id":"r2","to":"v2","percent":34,"timeout":"1h0m0s","state":"running",` +
		`"startedAt":"2026-01-02T03:04:05.000Z","startedBy":"key:ops","total":3,"replaced":1,"share":{"number":2,` +
		`"phase":"draining","since":"2026-01-02T03:04:05.000Z","deadline":"2026-01-02T04:04:05.000Z","servers":[` +
		`{"id":"media-2","instance":"i","version":"v1","state":"draining","remaining":7}]},` +
		`"failures":{"old":{"connected":10,"failed":1,"serversLost":0},"new":{"connected":5,"failed":0,"serversLost":0}}}`
	stoppedRollout = `{"id":"r1","to":"v2","percent":10,"timeout":"1h0m0s","state":"stopped","reason":"media-1 of v2 ` +
		`went","startedAt":"2026-01-02T03:04:05.000Z","startedBy":"key:ops","total":3,"replaced":0,"share":null,` +
		`"failures":{"old":{},"new":{"serversLost":1}}}`
)

func TestRollout(t *testing.T) {
	url := fakeAPI(t, map[string]string{
		"POST /v1/admin/rollouts":           runningRollout,
		"GET /v1/admin/rollouts":            `{"items":[` + runningRollout + `,` + stoppedRollout + `]}`,
		"GET /v1/admin/rollouts/r2":         runningRollout,
		"GET /v1/admin/rollouts/r1":         stoppedRollout,
		"POST /v1/admin/rollouts/r2/pause":  runningRollout,
		"POST /v1/admin/rollouts/r1/resume": stoppedRollout,
		"POST /v1/admin/rollouts/r2/abort":  runningRollout,
	})
	for _, tc := range []struct {
		args []string
		want []string // in what is printed
	}{
		{[]string{"rollout", "start", "--to", "v2"}, []string{"r2", "running", "1 of 3", "media-2", "draining", "7"}},
		{[]string{"rollout", "status"}, []string{"r2", "10 connections made, 1 failed"}},
		{[]string{"rollout", "status", "r1"}, []string{"stopped", "media-1 of v2 went", "1 servers lost"}},
		{[]string{"rollout", "status", "--json"}, []string{`"phase": "draining"`, `"remaining": 7`}},
		{[]string{"rollout", "pause"}, []string{"r2"}},
		{[]string{"rollout", "resume", "r1"}, []string{"r1"}},
		{[]string{"rollout", "abort"}, []string{"r2"}},
		{[]string{"rollout", "ls"}, []string{"ROLLOUT", "r2", "r1", "key:ops", "0 of 3"}},
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

func TestRollout_ThereIsNone(t *testing.T) {
	url := fakeAPI(t, map[string]string{"GET /v1/admin/rollouts": `{"items":[]}`})
	status, _, stderr := runCommand("rollout", "status", "--url", url)
	if status != statusFailed || !strings.Contains(stderr, "there was none so far") {
		t.Errorf("status %d: %s", status, stderr)
	}
}
