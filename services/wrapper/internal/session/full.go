package session

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// A user that does not read has a full queue one day, and what is sent to it then is lost. So it is marked as behind,
// before the request that met the full queue counts as done. When the user reads again, its REST replica finds the mark
// and asks for a sync; the mark goes before the state for that sync is read, so that whatever is lost after the reading
// marks the user anew.

const (
	// fullSlack: a queue with so little room counts as full. When a message to everybody is refused, the broker does not
	// say which queue was full, and its user may have read some of it before we look. A sync too many does no harm.
	fullSlack = 2048
	// inspecting bounds the queues of one session that are looked at in the same moment.
	inspecting = 8
)

// QueueFull is told by a REST replica that a message to everybody met a full queue.
func (s *connections) QueueFull(ctx context.Context, r Request, _ struct{}) error {
	return s.lostBySome(ctx, r)
}

// lostBy marks users whose queues were full.
func (s *teller) lostBy(ctx context.Context, r Request, users ...control.UserID) error {
	s.log.WarnContext(ctx, "user queues are full, a message to them was dropped; they get a sync when they read again",
		slog.String(logging.KeySession, string(r.Session)), slog.Any("users", users))
	return s.store.Presence.MarkBehind(ctx, r.Session, users)
}

// lostBySome marks those users whose queues are full, or everybody if none is any more.
func (s *teller) lostBySome(ctx context.Context, r Request) error {
	sess, err := s.store.Sessions.Get(ctx, r.Session)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var everybody []control.UserID
	for _, user := range sess.Users {
		everybody = append(everybody, user.ID)
	}
	full, err := s.fullQueues(ctx, sess)
	if err != nil {
		return brokerError("inspect user queues", err)
	}
	if len(full) == 0 {
		full = everybody
	}
	if len(full) == 0 {
		return nil
	}
	return s.lostBy(ctx, r, full...)
}

func (s *teller) fullQueues(ctx context.Context, sess *control.Session) ([]control.UserID, error) {
	var mu sync.Mutex
	var full []control.UserID
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(inspecting)
	for _, user := range sess.Users {
		group.Go(func() error {
			queue := message.UserQueue(sess.ID, user.ID)
			info, err := s.broker.Inspect(ctx, queue.Name)
			if errors.Is(err, broker.ErrNotFound) {
				return nil
			}
			if err == nil && info.Messages > queue.MaxLength-fullSlack {
				mu.Lock()
				defer mu.Unlock()
				full = append(full, user.ID)
			}
			return err
		})
	}
	return full, group.Wait()
}
