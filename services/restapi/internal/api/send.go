package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/services/restapi/internal/request"
)

// replyTimeout is how long a call waits to be confirmed (HTTP API contract).
const replyTimeout = 5 * time.Second

// newRequest is a request under the id of the call.
func newRequest(
	ctx context.Context, kind string, session control.SessionID, user control.UserID, body any,
) request.Request {
	found := callOf(ctx)
	return request.Request{
		ID: found.id, Type: kind, Session: session, User: user, TraceParent: found.traceParent, Body: body,
	}
}

// send publishes a request to the queue of its session.
func (c *core) send(ctx context.Context, r request.Request) error {
	return c.Requests.Send(ctx, message.SessionQueue(r.Session).Name, r)
}

// do publishes a request to a queue and waits for its result: unavailable if it cannot be confirmed in time.
func (c *core) do(ctx context.Context, queue string, r request.Request) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, replyTimeout)
	defer cancel()
	result, err := c.Requests.Do(ctx, queue, r)
	if errors.Is(err, request.ErrNoReply) {
		return nil, &control.Error{
			Code: control.CodeUnavailable, Detail: "it could not be confirmed in time and may safely be sent again",
			RetryAfter: time.Second, Err: err,
		}
	}
	return result, err
}

// doInSession is do on the queue of the request's session.
func (c *core) doInSession(ctx context.Context, r request.Request) (json.RawMessage, error) {
	return c.do(ctx, message.SessionQueue(r.Session).Name, r)
}

// resultOf decodes the result of a request.
func resultOf[T any](raw json.RawMessage) (T, error) {
	var result T
	if err := json.Unmarshal(raw, &result); err != nil {
		return result, fmt.Errorf("decode the result of a request: %w", err)
	}
	return result, nil
}
