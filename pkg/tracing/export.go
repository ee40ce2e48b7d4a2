package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/orkestro/orkestro/pkg/logging"
)

// traces is where a collector takes traces, below its base (OTLP specification, exporter configuration).
func traces(base string) (string, error) {
	endpoint, err := url.JoinPath(base, "v1", "traces")
	if err != nil {
		return "", fmt.Errorf("--otlp-endpoint (ORKESTRO_OTLP_ENDPOINT): %w", err)
	}
	return endpoint, nil
}

// counts is what an operator sees of the spans of a process.
type counts struct{ sent, lost prometheus.Counter }

func newCounts(registry prometheus.Registerer) counts {
	spans := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "orkestro_trace_spans_total", Help: "Spans by result: sent to the collector, or lost.",
	}, []string{"result"})
	registry.MustRegister(spans)
	return counts{sent: spans.WithLabelValues("sent"), lost: spans.WithLabelValues("lost")}
}

// export hands spans over. What the collector does not take is counted and forgotten, with two lines in the log each
// time that it is away: by itself the SDK writes one a batch, past the logger of the process.
type export struct {
	trace.SpanExporter
	counts counts
	outage *logging.Outage
}

func newExport(to trace.SpanExporter, counts counts, logger *slog.Logger) *export {
	return &export{SpanExporter: to, counts: counts, outage: logging.NewOutage(logger, "collector")}
}

// ExportSpans implements trace.SpanExporter.
func (e *export) ExportSpans(ctx context.Context, spans []trace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	e.outage.Note(err)
	if err != nil {
		e.counts.lost.Add(float64(len(spans)))
	} else {
		e.counts.sent.Add(float64(len(spans)))
	}
	return nil
}
