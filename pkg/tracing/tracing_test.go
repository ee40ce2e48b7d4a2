package tracing_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/memory"
	"github.com/orkestro/orkestro/pkg/health"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/pkg/tracing"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreTopFunction("internal/poll.runtime_pollWait")) // idle connections to the collector
}

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

func open(t *testing.T, endpoint string, registry *prometheus.Registry, log *slog.Logger) *tracing.Tracer {
	t.Helper()
	tracer, err := tracing.Open(t.Context(), tracing.Config{Endpoint: endpoint, Ratio: 1},
		tracing.Process{Service: "restapi", Version: "v1", Instance: "r1"}, registry, log)
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

// request sends one request through the HTTP part of a tracer and gives the traceparent that was passed on.
func request(tracer *tracing.Tracer, method, path, parent string) (passedOn string) {
	handler := tracer.HTTP(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		passedOn = r.Header.Get("Traceparent")
	}), func(http.ResponseWriter, *http.Request) (string, int) { return "/v1/x", http.StatusOK })
	r := httptest.NewRequest(method, path, nil)
	if parent != "" {
		r.Header.Set("Traceparent", parent)
	}
	handler.ServeHTTP(httptest.NewRecorder(), r)
	return passedOn
}

// Without a collector nothing is put around anything.
func TestOpen_NoCollector(t *testing.T) {
	tracer := open(t, "", prometheus.NewRegistry(), silent())
	b := memory.New(silent())
	defer func() { _ = b.Close() }()
	if tracer != nil || tracer.Broker(b) != broker.Broker(b) || tracer.Calls() != nil || tracer.Served() != nil {
		t.Error("something traces")
	}
	const theirs = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	if got := request(tracer, http.MethodPost, "/v1/sessions", theirs); got != theirs {
		t.Errorf("traceparent %q was passed on", got)
	}
	tracer.Close(t.Context())
}

func TestConfig_NamesTheSettingThatIsWrong(t *testing.T) {
	for flag, cfg := range map[string]tracing.Config{
		"--otlp-endpoint": {Endpoint: "collector:4318", Ratio: 1},
		"--trace-ratio":   {Endpoint: "http://collector:4318", Ratio: 1.5},
	} {
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

// Who calls decides whether a request is traced; probes and polls of others are not.
func TestHTTP_WhatIsTraced(t *testing.T) {
	tracer := open(t, "http://127.0.0.1:1", prometheus.NewRegistry(), silent())
	defer tracer.Close(t.Context())
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	sampled, unsampled := "00-"+trace+"-00f067aa0ba902b7-01", "00-"+trace+"-00f067aa0ba902b7-00"
	for name, c := range map[string]struct{ method, path, parent, want string }{
		"of a caller that traces":        {http.MethodPost, "/v1/sessions", sampled, "00-" + trace + "-*-01"},
		"of one that decided not to":     {http.MethodPost, "/v1/sessions", unsampled, "00-" + trace + "-*-00"},
		"of one that does not say":       {http.MethodPost, "/v1/sessions", "", "00-*-01"},
		"of one that says nonsense":      {http.MethodPost, "/v1/sessions", "00-xyz", "00-*-01"},
		"a probe":                        {http.MethodGet, "/readyz", "", ""},
		"a poll":                         {http.MethodGet, "/v1/sessions/s/users/u/messages", "", ""},
		"a poll of a caller that traces": {http.MethodGet, "/v1/sessions/s/users/u/messages", sampled, "00-" + trace + "-*-01"},
	} {
		t.Run(name, func(t *testing.T) {
			got := request(tracer, c.method, c.path, c.parent)
			begin, end, _ := strings.Cut(c.want, "*")
			if !strings.HasPrefix(got, begin) || !strings.HasSuffix(got, end) || c.want == "" && got != "" ||
				c.parent != "" && got == c.parent {
				t.Errorf("traceparent %q was passed on, want %q", got, c.want)
			}
		})
	}
}

// A message carries the span that sent it, its handler the one that it runs in; what is not traced stays as it is.
func TestBroker_PassesTheTraceOn(t *testing.T) {
	tracer := open(t, "http://127.0.0.1:1", prometheus.NewRegistry(), silent())
	defer tracer.Close(t.Context())
	plain := memory.New(silent())
	defer func() { _ = plain.Close() }()
	traced := tracer.Broker(plain)
	queue := broker.Queue{Name: "q"}
	if err := traced.DeclareQueue(t.Context(), queue); err != nil {
		t.Fatal(err)
	}
	handled := make(chan broker.Delivery, 1)
	subscription, err := traced.Subscribe(t.Context(), queue.Name, broker.SubscribeOptions{Concurrency: 1, MaxAttempts: 1},
		func(_ context.Context, d broker.Delivery) error {
			handled <- d
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = subscription.Close(context.Background()) }()
	for _, parent := range []string{
		"", "nonsense", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	} {
		if err := traced.Send(t.Context(), "q", broker.Message{ID: "m", Type: "join", TraceParent: parent}); err != nil {
			t.Fatal(err)
		}
		got := (<-handled).TraceParent
		if sampled := strings.HasSuffix(parent, "-01"); !sampled && got != parent ||
			sampled && (got == parent || got[:35] != parent[:35]) {
			t.Errorf("%q became %q", parent, got)
		}
	}
}

// Nothing waits for a collector that is away, or that never answers; an operator reads of it once.
func TestExport_CollectorAway(t *testing.T) {
	var log bytes.Buffer
	registry := prometheus.NewRegistry()
	stuck := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-stuck
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	defer close(stuck)
	tracer := open(t, server.URL, registry, slog.New(slog.NewTextHandler(&log, nil)))
	began := time.Now()
	for range 20_000 { // ten times what is kept
		request(tracer, http.MethodPost, "/v1/sessions", "")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("20,000 requests took %s", took)
	}
	began = time.Now()
	tracer.Close(t.Context())
	if took := time.Since(began); took > tracing.CloseTimeout+2*time.Second {
		t.Errorf("closing took %s", took)
	}
	testkit.Eventually(t, func() error {
		answer := httptest.NewRecorder()
		health.Metrics(registry).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if text := answer.Body.String(); strings.Contains(text, `{result="lost"} 0`) {
			return fmt.Errorf("nothing is lost:\n%s", text)
		}
		return nil
	})
	if lines := strings.Count(log.String(), "\n"); lines != 1 {
		t.Errorf("%d lines in the log:\n%s", lines, log.String())
	}
}

// What is left is sent at the end.
func TestClose_SendsWhatIsLeft(t *testing.T) {
	taken := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		select {
		case taken <- struct{}{}:
		default:
		}
	}))
	defer server.Close()
	tracer := open(t, server.URL+"/base/", prometheus.NewRegistry(), silent())
	request(tracer, http.MethodPost, "/v1/sessions", "")
	tracer.Close(t.Context())
	select {
	case <-taken:
	default:
		t.Error("the collector got nothing")
	}
}

// Lines about a traced request name its trace.
func TestLogger_NamesTheTrace(t *testing.T) {
	var log bytes.Buffer
	tracer := open(t, "http://127.0.0.1:1", prometheus.NewRegistry(), silent())
	defer tracer.Close(t.Context())
	logger := tracer.Logger(slog.New(slog.NewTextHandler(&log, nil))).With("a", 1)
	serve := tracer.Served()
	ctx, _, end := serve(t.Context(), "create", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	logger.InfoContext(ctx, "traced")
	end(nil)
	logger.InfoContext(t.Context(), "other")
	lines := strings.Split(log.String(), "\n")
	if !strings.Contains(lines[0], "trace_id=4bf92f3577b34da6a3ce929d0e0e4736") || strings.Contains(lines[1], "trace_id") {
		t.Errorf("log:\n%s", log.String())
	}
}

func FuzzServed(f *testing.F) {
	f.Add("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	f.Add("00--01")
	tracer, err := tracing.Open(context.Background(), tracing.Config{Endpoint: "http://127.0.0.1:1"},
		tracing.Process{}, prometheus.NewRegistry(), silent())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { tracer.Close(context.Background()) })
	serve := tracer.Served()
	f.Fuzz(func(t *testing.T, parent string) {
		_, own, end := serve(t.Context(), "create", parent)
		end(nil)
		if own != "" && (len(own) != 55 || len(parent) < 55 || !strings.Contains(parent, own[3:35])) {
			t.Errorf("%q became %q", parent, own)
		}
	})
}
