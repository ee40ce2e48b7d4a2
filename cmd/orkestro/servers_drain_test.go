package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func drainingServer(id, availability string, deadline time.Duration, waiting string) string {
	return fmt.Sprintf(`{"id":%q,"status":"up","availability":%q,"version":"v1","sessions":7,"load":{},`+
		`"drain":{"since":"2026-01-02T03:04:05.000Z","deadline":%q,"then":"relocate","by":"key:ops","remaining":7,`+
		`"waiting":%q}}`, id, availability, time.Now().Add(deadline).Format(time.RFC3339), waiting)
}

func TestServers_DrainUndrainAndList(t *testing.T) {
	m1 := drainingServer("m1", "draining", 90*time.Minute, "")
	url := fakeAPI(t, map[string]string{
		"POST /v1/admin/servers/m1/drain":   m1,
		"DELETE /v1/admin/servers/m1/drain": "",
		"GET /v1/admin/servers": `{"items":[` + m1 + "," + drainingServer("m2", "draining", -time.Hour, "no room") + "," +
			drainingServer("m3", "drained", time.Hour, "") + "]}",
	})
	for _, tc := range []struct {
		args []string
		want []string // in what is printed
	}{
		{
			[]string{"servers", "drain", "m1", "--timeout", "30m", "--then", "wait"},
			[]string{"m1", "draining", "7 left, relocate in 1h", "by key:ops"},
		},
		{[]string{"servers", "drain", "m1", "--json"}, []string{`"remaining": 7`}},
		{[]string{"servers", "undrain", "m1"}, []string{"m1 is active."}},
		{[]string{"servers", "ls"}, []string{
			"VERSION", "7 left, relocate in 1h", "7 left, relocate since 1h, by key:ops: no room", "drained", "v1",
		}},
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
	for _, args := range [][]string{
		{"servers", "drain"},
		{"servers", "drain", "m1", "--then", "leave"},
		{"servers", "drain", "m1", "--timeout", "soon"},
		{"servers", "drain", "unknown"},
	} {
		if status, _, stderr := runCommand(append(args, "--url", url)...); status == 0 || stderr == "" {
			t.Errorf("%v: status %d, %q", args, status, stderr)
		}
	}
}
