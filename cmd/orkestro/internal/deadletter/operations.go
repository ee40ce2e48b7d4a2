package deadletter

import (
	"context"
	"errors"
	"fmt"

	"github.com/orkestro/orkestro/pkg/broker"
)

// ErrNotFound says that no message of that id is among those that were looked at.
var ErrNotFound = errors.New("no such message among the dead letters")

// List gives the oldest messages, at most limit, without their bodies, and how many there are.
func (q *Queue) List(ctx context.Context, limit int) (list []broker.Message, total int, err error) {
	total, err = q.each(ctx, limit, func(m broker.Message) (verdict, error) {
		m.Body = nil
		list = append(list, m)
		return keep, nil
	})
	return list, total, err
}

// Get finds a message among the oldest, at most limit. Errors: [ErrNotFound].
func (q *Queue) Get(ctx context.Context, id string, limit int) (broker.Message, error) {
	var found *broker.Message
	_, err := q.each(ctx, limit, func(m broker.Message) (verdict, error) {
		if m.ID != id {
			return keep, nil
		}
		found = &m
		return stop, nil
	})
	switch {
	case err != nil:
		return broker.Message{}, err
	case found == nil:
		return broker.Message{}, ErrNotFound
	default:
		return *found, nil
	}
}

// Outcome is what became of one message.
type Outcome struct {
	Message broker.Message // without its body
	Done    bool           // it is no longer in the dead-letter queue
	Why     string         // why it is still there
}

// Selection chooses messages: that of one id ("": all) among the oldest Limit. A message may be there twice; ID chooses
// both. DryRun changes nothing and says what would be done.
type Selection struct {
	ID     string
	Limit  int
	DryRun bool
}

// Replay sends messages to the queues that they came from, in their order, as if they were new: their tries count
// again from the first. One whose queue is gone stays: its session is closed. Errors: [ErrNotFound], and trouble with
// the broker, with what was done until then.
func (q *Queue) Replay(ctx context.Context, s Selection) ([]Outcome, error) {
	return q.selected(ctx, s, func(m broker.Message) (string, error) {
		if m.Failure == nil || m.Failure.Queue == "" {
			return "it does not say which queue it came from", nil
		}
		queue := m.Failure.Queue
		m.Failure = nil
		err := q.pass(ctx, queue, m, s.DryRun)
		switch {
		case errors.Is(err, broker.ErrUnroutable), errors.Is(err, broker.ErrNotFound):
			return "its queue " + queue + " is gone: the session is closed", nil
		case errors.Is(err, broker.ErrFull):
			return "its queue " + queue + " is full: try again later", nil
		default:
			return "", err
		}
	})
}

// pass sends a message on, or only looks whether it could.
func (q *Queue) pass(ctx context.Context, queue string, m broker.Message, dryRun bool) error {
	if dryRun {
		_, err := q.broker.Inspect(ctx, queue)
		return err
	}
	return q.broker.Send(ctx, queue, m)
}

// Drop removes messages for good. Errors: [ErrNotFound], and trouble with the broker.
func (q *Queue) Drop(ctx context.Context, s Selection) ([]Outcome, error) {
	return q.selected(ctx, s, func(broker.Message) (string, error) { return "", nil })
}

// selected has act on each chosen message; act says why one has to stay.
func (q *Queue) selected(
	ctx context.Context, s Selection, act func(broker.Message) (why string, err error),
) ([]Outcome, error) {
	var done []Outcome
	_, err := q.each(ctx, s.Limit, func(m broker.Message) (verdict, error) {
		if s.ID != "" && m.ID != s.ID {
			return keep, nil
		}
		why, err := act(m)
		if err != nil {
			return keep, fmt.Errorf("message %s: %w", m.ID, err)
		}
		m.Body = nil
		done = append(done, Outcome{Message: m, Done: why == "" && !s.DryRun, Why: why})
		if why == "" && !s.DryRun {
			return remove, nil
		}
		return keep, nil
	})
	if err == nil && s.ID != "" && len(done) == 0 {
		err = ErrNotFound
	}
	return done, err
}
