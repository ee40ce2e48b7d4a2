package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/orkestro/orkestro/pkg/control"
)

// patient is r with the end of the time that its call may take: what cannot be confirmed by then is refused, whatever
// it is that does not answer. The time that a caller asks to wait comes on top where it may be asked for, and the
// operation sees to it that it is used for nothing else, see [soon]; a stream has no end but only a beginning.
func patient(r *http.Request, op *huma.Operation) (*http.Request, context.CancelFunc) {
	if op.Metadata[metadataAccess] == byEvents {
		return r, func() {}
	}
	limit := replyTimeout
	if takes(op, "wait") {
		asked, err := waitOf(r.URL.Query().Get("wait"))
		if err == nil { // or the operation says what is wrong with it
			limit += asked
		}
	}
	if takes(op, "Prefer") {
		limit += preferredWait(r.Header.Get("Prefer"))
	}
	ctx, cancel := context.WithTimeout(r.Context(), limit)
	return r.WithContext(ctx), cancel
}

// takes reports whether an operation has a parameter of that name.
func takes(op *huma.Operation, name string) bool {
	return slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool { return p.Name == name })
}

// soon bounds what an operation does before it waits.
func soon(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, replyTimeout)
}

// inTime turns the end of a call's time into a refusal that invites to try again.
func inTime(err error) error {
	var coded *control.Error
	if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &coded) {
		return err
	}
	return &control.Error{
		Code: control.CodeUnavailable, Detail: "it could not be done in time and may safely be sent again",
		RetryAfter: time.Second, Err: err,
	}
}
