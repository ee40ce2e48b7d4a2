package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/orkestro/orkestro/tests/harness"
)

// measureCreate: POST /v1/sessions until 201, that is until the session is stored.
func measureCreate(ctx context.Context, b *bench) error {
	for _, atOnce := range []int{1, 20} {
		n := 200 * b.scale
		took, all, err := repeat(ctx, n, atOnce, func(ctx context.Context, _ int) (time.Duration, error) {
			return timed(func() error {
				_, err := b.fleet.API.CreateSession(ctx, "")
				return err
			})
		})
		if err != nil {
			return err
		}
		b.row(fmt.Sprintf("create a session, %d at once", atOnce), "%.0f/s  %s", perSecond(n, all), took.quantiles())
	}
	return nil
}

// measureJoin: POST .../users until 201, into sessions of two that have no pipeline yet.
func measureJoin(ctx context.Context, b *bench) error {
	for _, atOnce := range []int{1, 20} {
		n := 200 * b.scale
		sessions := make([]string, n/2)
		for i := range sessions {
			id, err := b.fleet.API.CreateSession(ctx, "")
			if err != nil {
				return err
			}
			sessions[i] = id
		}
		took, all, err := repeat(ctx, n, atOnce, func(ctx context.Context, i int) (time.Duration, error) {
			return timed(func() error {
				_, err := b.fleet.API.Join(ctx, sessions[i%len(sessions)], fmt.Sprintf("user-%d", i))
				return err
			})
		})
		if err != nil {
			return err
		}
		b.row(fmt.Sprintf("join, %d at once", atOnce), "%.0f/s  %s", perSecond(n, all), took.quantiles())
		if err := closeAll(ctx, b.fleet.API, sessions); err != nil {
			return err
		}
	}
	return nil
}

// measureMessage: one user posts, another polls; the time from the beginning of the post to the end of the poll that
// brings it. Polls take turns at the replicas, and all at one.
func measureMessage(ctx context.Context, b *bench) error {
	cases := []struct {
		what string
		api  *harness.API
	}{
		{"message posted until polled, polls at one replica", b.fleet.API.Only(0)},
		{"message posted until polled, polls change replica each time", b.fleet.API},
	}
	for _, c := range cases {
		took, err := messageLatency(ctx, b.fleet.API, c.api, 300*b.scale)
		if err != nil {
			return err
		}
		b.row(c.what, "%s", took.quantiles())
	}
	return nil
}

func messageLatency(ctx context.Context, api, pollAPI *harness.API, n int) (sample, error) {
	session, err := api.CreateSession(ctx, "")
	if err != nil {
		return nil, err
	}
	defer func() { _ = api.CloseSession(context.WithoutCancel(ctx), session) }()
	if _, err := api.Join(ctx, session, "sender"); err != nil {
		return nil, err
	}
	receiver, err := api.Join(ctx, session, "receiver")
	if err != nil {
		return nil, err
	}
	received := make(chan time.Time, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		failed <- receive(ctx, harness.NewInbox(pollAPI, session, "receiver", receiver.Token), received)
	}()
	took := make(sample, 0, n)
	for range n {
		posted := time.Now()
		_, err := api.Do(ctx, harness.Request{
			Method: http.MethodPost, Path: "/v1/sessions/" + session + "/users/sender/messages",
			Body: map[string]any{"type": "bench", "data": "0123456789"},
		}, nil)
		if err != nil {
			return nil, err
		}
		select {
		case at := <-received:
			took = append(took, at.Sub(posted))
		case err := <-failed:
			return nil, errors.Join(errors.New("the receiver ended"), err)
		}
	}
	return took, nil
}

// receive tells when each application message has come.
func receive(ctx context.Context, inbox *harness.Inbox, received chan<- time.Time) error {
	for {
		messages, err := inbox.Poll(ctx, 10*time.Second, 64)
		if err != nil {
			return err
		}
		at := time.Now()
		for _, m := range messages {
			var data struct {
				Type string `json:"type"`
			}
			if m.Type == "message" && json.Unmarshal(m.Data, &data) == nil && data.Type == "bench" {
				received <- at
			}
		}
	}
}

func closeAll(ctx context.Context, api *harness.API, sessions []string) error {
	_, _, err := repeat(ctx, len(sessions), 10, func(ctx context.Context, i int) (time.Duration, error) {
		return 0, api.CloseSession(ctx, sessions[i])
	})
	return err
}
