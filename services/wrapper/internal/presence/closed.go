package presence

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// lateAfter is how long after the end of a session a request of it may still be handled. Chosen: several tries.
const lateAfter = 15 * time.Second

// closed deletes the queue and the exchange of sessions once more, some time after they were closed: a request that was
// being handled at the end may have made them again, and whoever did it may have died before it saw the end. Queues of
// users that left before the end go for the same reason. Queues of users that have read all that was in them go, too,
// once nobody reads them any more; what is left to read waits until the queue expires.
func (s *Sweeper) closed(ctx context.Context, now time.Time) error {
	sessions, err := s.store.Sessions.Uncleared(ctx, now.Add(-lateAfter), batch)
	if err != nil {
		return err
	}
	for _, sess := range sessions {
		err := errors.Join(
			s.broker.DeleteExchange(ctx, message.SessionExchange(sess.ID)),
			s.broker.DeleteExchange(ctx, message.SpareExchange(sess.ID)),
			s.broker.DeleteQueue(ctx, message.SessionQueue(sess.ID).Name),
			s.forgetPresence(ctx, sess),
		)
		readers := false
		for _, user := range sess.Users {
			read, queueErr := s.deleteRead(ctx, message.UserQueue(sess.ID, user.ID).Name)
			readers, err = readers || read, errors.Join(err, queueErr)
		}
		if err != nil {
			return err
		}
		if readers {
			continue // a REST replica keeps what it has opened for half a minute: another time
		}
		err = s.store.Sessions.MarkCleared(ctx, sess.ID)
		if err != nil && !errors.Is(err, store.ErrGuard) {
			return err
		}
	}
	return nil
}

// forgetPresence forgets who was heard of in a session, and deletes the queues of those who were not in it at the end.
func (s *Sweeper) forgetPresence(ctx context.Context, sess store.SessionSummary) error {
	heard, err := s.store.Presence.InSession(ctx, sess.ID)
	if err != nil {
		return err
	}
	for _, p := range heard {
		if slices.ContainsFunc(sess.Users, func(user store.UserSummary) bool { return user.ID == p.User }) {
			continue
		}
		if err := s.broker.DeleteQueue(ctx, message.UserQueue(sess.ID, p.User).Name); err != nil {
			return err
		}
	}
	return s.store.Presence.RemoveSession(ctx, sess.ID)
}

// deleteRead deletes a queue that is empty, unless somebody reads it.
func (s *Sweeper) deleteRead(ctx context.Context, queue string) (read bool, err error) {
	info, err := s.broker.Inspect(ctx, queue)
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case info.Consumers > 0:
		return true, nil
	case info.Messages > 0:
		return false, nil
	default:
		return false, s.broker.DeleteQueue(ctx, queue)
	}
}
