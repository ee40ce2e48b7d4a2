// Package tracing makes OpenTelemetry spans of what a request goes through: the HTTP request, the queues, the calls of
// media servers. Each service opens a [Tracer] and puts it around its edges; nothing else knows of spans, and without a
// collector nothing is put around anything.
//
// Only the HTTP API begins traces. Everywhere else a span continues the one that came along, as W3C traceparent, or
// there is none. SDP, tokens and candidates are in no span; ids of sessions and users are.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"
)

const (
	// queued spans wait for the collector at most; what comes when it is full is dropped.
	queued = 2048
	// sendTimeout bounds one try to send a batch, and sendPeriod is how long a batch is collected.
	sendTimeout = 5 * time.Second
	sendPeriod  = 2 * time.Second
	// CloseTimeout bounds [Tracer.Close]: what a collector does not take by then is lost.
	CloseTimeout = 2 * time.Second
)

// Process is who makes the spans.
type Process struct {
	Service  string // "restapi", "wrapper", "mediaserver"
	Version  string
	Instance string // id of the replica or media server
}

// Tracer makes spans. nil is one that makes none: every method can be called. Safe for concurrent use.
type Tracer struct {
	provider *trace.TracerProvider
	tracer   api.Tracer
}

// Open gives the tracer of a process, nil when there is no collector. Close ends it. It does not wait for the
// collector: one that is away loses spans, and nothing else.
func Open(
	ctx context.Context, cfg Config, process Process, registry prometheus.Registerer, logger *slog.Logger,
) (*Tracer, error) {
	counts := newCounts(registry)
	if cfg.Endpoint == "" {
		return nil, nil //nolint:nilnil // a Tracer that is nil makes no spans
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	endpoint, err := traces(cfg.Endpoint)
	if err != nil {
		return nil, err
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint),
		otlptracehttp.WithTimeout(sendTimeout), otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: false}))
	if err != nil {
		return nil, fmt.Errorf("--otlp-endpoint (ORKESTRO_OTLP_ENDPOINT): %w", err)
	}
	provider := trace.NewTracerProvider(
		trace.WithSampler(trace.ParentBased(trace.TraceIDRatioBased(cfg.Ratio))),
		trace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "orkestro-"+process.Service),
			attribute.String("service.version", process.Version),
			attribute.String("service.instance.id", process.Instance))),
		trace.WithBatcher(newExport(exporter, counts, logger), trace.WithMaxQueueSize(queued),
			trace.WithExportTimeout(sendTimeout), trace.WithBatchTimeout(sendPeriod)))
	return &Tracer{provider: provider, tracer: provider.Tracer("github.com/orkestro/orkestro")}, nil
}

// Close sends what is left, within [CloseTimeout].
func (t *Tracer) Close(ctx context.Context) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), CloseTimeout)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // of what is lost by it there is a line in the log
}

// span is one that goes on.
type span struct{ api.Span }

// start begins a span under the one of ctx.
func (t *Tracer) start(
	ctx context.Context, name string, kind api.SpanKind, attributes ...attribute.KeyValue,
) (context.Context, span) {
	ctx, s := t.tracer.Start(ctx, name, api.WithSpanKind(kind), api.WithAttributes(attributes...))
	return ctx, span{s}
}

// end ends a span with what came of it. That somebody went away is no error.
func (s span) end(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		s.SetStatus(codes.Error, "")
		s.SetAttributes(attribute.String("error.type", fmt.Sprintf("%T", rootOf(err))))
	}
	s.End()
}

// rootOf is the innermost error. Its type says what it is; texts may hold what belongs in no span.
func rootOf(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// traceParent is the member of a [propagation.TextMapCarrier] that holds the W3C trace context.
const traceParent = "traceparent"

// under gives ctx the parent that came along. false: there is none, or it is not traced.
func under(ctx context.Context, parent string) (context.Context, bool) {
	if parent == "" {
		return ctx, false
	}
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{traceParent: parent})
	return ctx, api.SpanContextFromContext(ctx).IsSampled()
}

// parentOf is the span of ctx as W3C traceparent, "" for none.
func parentOf(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[traceParent]
}
