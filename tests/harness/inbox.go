package harness

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Inbox polls the messages of one user and acknowledges them, as the contract has it. For one goroutine at a time.
type Inbox struct {
	api    *API
	path   string
	token  string
	cursor string // of the batch before, not acknowledged yet
}

// NewInbox reads the messages of the user that token is of.
func NewInbox(api *API, session, user, token string) *Inbox {
	return &Inbox{api: api, path: userPath(session, user), token: token}
}

// Poll acknowledges the batch before and gives the next one; it may be empty.
func (i *Inbox) Poll(ctx context.Context, wait time.Duration, limit int) ([]Message, error) {
	batch, err := i.poll(ctx, wait, limit)
	if err != nil {
		return nil, err
	}
	i.cursor = batch.Cursor
	return batch.Messages, nil
}

// Lose polls and loses the answer on its way: the acknowledgement has arrived, the batch has not.
func (i *Inbox) Lose(ctx context.Context, wait time.Duration, limit int) error {
	_, err := i.poll(ctx, wait, limit)
	return err
}

func (i *Inbox) poll(ctx context.Context, wait time.Duration, limit int) (Batch, error) {
	query := url.Values{"wait": {wait.String()}, "limit": {strconv.Itoa(limit)}}
	if i.cursor != "" {
		query.Set("ack", i.cursor)
	}
	var batch Batch
	_, err := i.api.Do(ctx, Request{
		Method: http.MethodGet, Path: i.path + "/messages?" + query.Encode(), Bearer: i.token,
	}, &batch)
	return batch, err
}

// Forget drops the cursor, as a client that restarts does: what is not acknowledged comes again.
func (i *Inbox) Forget() { i.cursor = "" }

// ended reports whether err says that the user or the session is gone, so that polling is over.
func ended(err error) bool {
	var problem *ProblemError
	return errors.As(err, &problem) && (problem.Status == http.StatusNotFound || problem.Status == http.StatusGone)
}

func userPath(session, user string) string {
	return fmt.Sprintf("/v1/sessions/%s/users/%s", session, user)
}
