package jsonrpc

import "context"

// maxTraceParent is longer than any W3C traceparent of a version that is known (Trace Context section 3.2.2).
const maxTraceParent = 128

type traceKey struct{}

// WithTraceParent has calls under ctx carry a W3C traceparent, in a member "traceparent" beside "params": whoever does
// not know it ignores it. "" changes nothing.
func WithTraceParent(ctx context.Context, parent string) context.Context {
	if parent == "" {
		return ctx
	}
	return context.WithValue(ctx, traceKey{}, parent)
}

// TraceParent is what [WithTraceParent] has put into ctx, "" for nothing.
func TraceParent(ctx context.Context) string {
	parent, _ := ctx.Value(traceKey{}).(string)
	return parent
}
