package harness

import (
	"context"
	"errors"
	"net/http"
)

// These act as a user does, each until it is answered for good. What concerns the connections is done by the goroutine
// that owns them; done, if not nil, is then told of the result.

// Unpublish stops publishing.
func (u *User) Unpublish(done func(error)) {
	u.act(done, func(ctx context.Context) error {
		u.publishing = false
		if u.publish != nil {
			_ = u.publish.Close()
			u.publish = nil
		}
		_, err := u.api.Insist(ctx, u.request(http.MethodDelete, "/publish", nil), nil)
		return err
	})
}

// Rejoin begins anew in the same place, as a client does that has lost its connections.
func (u *User) Rejoin(done func(error)) {
	u.act(done, func(ctx context.Context) error {
		if _, err := u.api.Insist(ctx, u.request(http.MethodPost, "/rejoin", map[string]any{}), nil); err != nil {
			return err
		}
		u.closeConnections()
		u.publish, u.subscribe = nil, nil
		u.rejoining, u.epoch, u.seq, u.answered = true, 0, 0, 0
		return nil
	})
}

// Pause pauses a stream of the user's, or has it go on.
func (u *User) Pause(ctx context.Context, stream string, paused bool) error {
	_, err := u.api.Insist(ctx, u.request(http.MethodPatch, "/streams/"+stream, map[string]any{"paused": paused}), nil)
	return err
}

// SubscribeTo chooses the streams to receive; none are named: all.
func (u *User) SubscribeTo(ctx context.Context, streams ...string) error {
	body := map[string]any{"mode": "all"}
	if len(streams) > 0 {
		var list []map[string]any
		for _, id := range streams {
			list = append(list, map[string]any{"id": id})
		}
		body = map[string]any{"mode": "list", "streams": list}
	}
	_, err := u.api.Insist(ctx, u.request(http.MethodPut, "/subscriptions", body), nil)
	return err
}

// Say sends an application message and gives its id. The same key is the same message, however often it is sent.
func (u *User) Say(ctx context.Context, key string, data any, to string) (id string, status int, err error) {
	body := map[string]any{"type": "chaos", "data": data}
	if to != "" {
		body["to"] = to
	}
	request := u.request(http.MethodPost, "/messages", body)
	request.Header = map[string]string{"Idempotency-Key": key}
	var sent struct {
		ID string `json:"id"`
	}
	status, err = u.api.Insist(ctx, request, &sent)
	return sent.ID, status, err
}

// Since gives the messages after the first n.
func (u *User) Since(n int) []Message {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.messages[n:len(u.messages):len(u.messages)]
}

func (u *User) request(method, path string, body any) Request {
	return Request{Method: method, Path: userPath(u.Session, u.ID) + path, Body: body, Bearer: u.Token}
}

// act has f run as a command.
func (u *User) act(done func(error), f func(context.Context) error) {
	u.command(func(ctx context.Context) error {
		err := f(ctx)
		if done != nil {
			done(err)
			return nil
		}
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	})
}
