package presence

import (
	"context"
	"errors"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// lateAfter is how long after the end of a session a request of it may still be handled. Chosen: several tries.
const lateAfter = 15 * time.Second

// closed deletes the queue and the exchange of sessions once more, some time after they were closed: a request that was
// being handled at the end may have made them again, and whoever did it may have died before it saw the end. Queues of
// users that have read all that was in them go, too; what is left to read waits until the queue expires.
func (s *Sweeper) closed(ctx context.Context, now time.Time) error {
	sessions, err := s.store.Sessions.Uncleared(ctx, now.Add(-lateAfter), batch)
	if err != nil {
		return err
	}
	for _, sess := range sessions {
		errs := []error{
			s.broker.DeleteExchange(ctx, message.SessionExchange(sess.ID)),
			s.broker.DeleteQueue(ctx, message.SessionQueue(sess.ID).Name),
		}
		for _, user := range sess.Users {
			errs = append(errs, s.deleteRead(ctx, message.UserQueue(sess.ID, user.ID).Name))
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
		err = s.store.Sessions.MarkCleared(ctx, sess.ID)
		if err != nil && !errors.Is(err, store.ErrGuard) {
			return err
		}
	}
	return nil
}

// deleteRead deletes a queue that is empty and that nobody reads.
func (s *Sweeper) deleteRead(ctx context.Context, queue string) error {
	info, err := s.broker.Inspect(ctx, queue)
	switch {
	case errors.Is(err, broker.ErrNotFound):
		return nil
	case err != nil:
		return err
	case info.Messages > 0 || info.Consumers > 0:
		return nil
	default:
		return s.broker.DeleteQueue(ctx, queue)
	}
}
