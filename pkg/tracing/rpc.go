package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	api "go.opentelemetry.io/otel/trace"
)

// CallSpan begins the span of a call to a media server, if ctx is traced, and gives the traceparent that the call
// carries; end is called with what came of it.
type CallSpan func(ctx context.Context, operation, url string) (parent string, end func(error))

// Calls is for those who call media servers; nil when nothing is traced.
func (t *Tracer) Calls() CallSpan {
	if t == nil {
		return nil
	}
	return func(ctx context.Context, operation, url string) (string, func(error)) {
		if !api.SpanContextFromContext(ctx).IsSampled() {
			return "", func(error) {}
		}
		ctx, s := t.start(ctx, "call "+operation, api.SpanKindClient, attribute.String("rpc.system", "jsonrpc"),
			attribute.String("rpc.method", operation), attribute.String("server.address", url))
		return parentOf(ctx), s.end
	}
}

// ServedSpan begins the span of a call that came with parent, and gives the context that it is served in and that
// context's traceparent, "" if the call is not traced.
type ServedSpan func(
	ctx context.Context, operation, parent string,
) (serving context.Context, own string, end func(error))

// Served is for media servers; nil when nothing is traced.
func (t *Tracer) Served() ServedSpan {
	if t == nil {
		return nil
	}
	return func(ctx context.Context, operation, parent string) (context.Context, string, func(error)) {
		parented, traced := under(ctx, parent)
		if !traced {
			return ctx, "", func(error) {}
		}
		serving, s := t.start(parented, "serve "+operation, api.SpanKindServer,
			attribute.String("rpc.system", "jsonrpc"), attribute.String("rpc.method", operation))
		return serving, parentOf(serving), s.end
	}
}
