package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/orkestro/orkestro/cmd/orkestro/internal/deadletter"
	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/amqp"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/pkg/testkit/rabbit"
)

func TestDead(t *testing.T) {
	url := rabbit.Shared(t).URL()
	b, err := amqp.Open(t.Context(), amqp.Config{URL: url}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, b.Ready)
	t.Cleanup(func() {
		_ = b.DeleteQueue(context.Background(), broker.DeadLetterQueue)
		_ = b.Close()
	})
	if err := b.DeclareQueue(t.Context(), broker.Queue{Name: broker.DeadLetterQueue}); err != nil {
		t.Fatal(err)
	}
	for id, body := range map[string]string{"m1": `{"user":"ann"}`, "m2": "no JSON"} {
		err := b.Send(t.Context(), broker.DeadLetterQueue, broker.Message{
			ID: id, Type: "join", Session: "lobby", Time: time.Now(), Body: []byte(body),
			Failure: &broker.Failure{Queue: "orkestro.session.lobby", Reason: "two\nlines", Attempts: 8, Time: time.Now()},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		args   string
		status int
		says   []string
	}{
		{"ls", 0, []string{"m1", "m2", "join", "lobby", "orkestro.session.lobby", "8", `two\nlines`}},
		{"ls --limit 1", 0, []string{"1 of 2"}},
		{"ls --json", 0, []string{`"id": "m1"`, `"reason": "two\nlines"`, `"attempts": 8`}},
		{"show m1", 0, []string{`"user": "ann"`}},
		{"show m2", 0, []string{`"body": "no JSON"`}},
		{"show m3", statusFailed, []string{"no such message"}},
		{"replay", statusUsage, []string{"--all"}},
		{"replay m1 --all", statusUsage, []string{"--all"}},
		{"ls --limit 0", statusUsage, []string{"--limit"}},
		{"replay --all --dry-run", statusFailed, []string{
			"kept: its queue orkestro.session.lobby is gone: the session is closed", "2 of 2 messages have to stay",
		}},
		{"replay m3", statusFailed, []string{"m3: no such message"}},
		{"drop m1 --dry-run", 0, []string{"would be dropped"}},
		{"drop m1", 0, []string{"m1", "dropped"}},
		{"drop m1", statusFailed, []string{"no such message"}},
		{"drop --all", 0, []string{"m2"}},
		{"ls", 0, []string{"REASON"}},
	} {
		status, stdout, stderr := runCommand(append(append([]string{"dead"}, strings.Fields(tc.args)...), "--amqp-url", url)...)
		if status != tc.status {
			t.Fatalf("dead %s: status %d, not %d: %s%s", tc.args, status, tc.status, stdout, stderr)
		}
		for _, want := range tc.says {
			if !strings.Contains(stdout+stderr, want) {
				t.Errorf("dead %s: %q is not in:\n%s%s", tc.args, want, stdout, stderr)
			}
		}
		if strings.Contains(tc.args, "--json") && !json.Valid([]byte(stdout)) {
			t.Errorf("dead %s: no JSON:\n%s", tc.args, stdout)
		}
	}
}

// TestInterrupted has a command that was interrupted not say that all is well.
func TestInterrupted(t *testing.T) {
	examined := &statusError{statusUsage, fmt.Errorf("look again: %w", context.Canceled)}
	for err, want := range map[error]int{
		examined: statusUsage, context.Canceled: 0, errors.New("it failed"): statusFailed,
	} {
		if status := statusOf(err); status != want {
			t.Errorf("%v: status %d, want %d", err, status, want)
		}
	}
	flags := deadFlags{AMQPURL: rabbit.Shared(t).URL()}
	err := flags.with(t.Context(), terminal{err: io.Discard}, func(*deadletter.Queue) error { return context.Canceled })
	if status := statusOf(err); status != statusFailed {
		t.Errorf("dead: status %d, want %d", status, statusFailed)
	}
}

func TestDoctor_Unreachable(t *testing.T) {
	for _, args := range [][]string{
		{"doctor", "--amqp-url", "amqp://127.0.0.1:1/", "--mongo-url", "nonsense"},
		{"doctor", "--pause", "0s"},
		{"doctor", "--rabbitmq-management-url", "nonsense"},
	} {
		if status, _, stderr := runCommand(args...); status != statusUsage || stderr == "" {
			t.Errorf("%v: status %d: %s", args, status, stderr)
		}
	}
}
