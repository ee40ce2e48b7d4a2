package tracing

import (
	"context"
	"log/slog"

	api "go.opentelemetry.io/otel/trace"
)

// keyTrace is the key under which a line of the log names its trace.
const keyTrace = "trace_id"

// Logger is one that writes the trace into each line of the log that is about a traced request.
func (t *Tracer) Logger(logger *slog.Logger) *slog.Logger {
	if t == nil {
		return logger
	}
	return slog.New(tracedLog{logger.Handler()})
}

type tracedLog struct{ slog.Handler }

// Handle implements slog.Handler.
func (l tracedLog) Handle(ctx context.Context, record slog.Record) error {
	if s := api.SpanContextFromContext(ctx); s.IsSampled() {
		record.AddAttrs(slog.String(keyTrace, s.TraceID().String()))
	}
	return l.Handler.Handle(ctx, record)
}

// WithAttrs implements slog.Handler.
func (l tracedLog) WithAttrs(attributes []slog.Attr) slog.Handler {
	return tracedLog{l.Handler.WithAttrs(attributes)}
}

// WithGroup implements slog.Handler.
func (l tracedLog) WithGroup(name string) slog.Handler { return tracedLog{l.Handler.WithGroup(name)} }
