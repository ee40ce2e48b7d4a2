package presence

import (
	"context"
	"errors"
	"time"

	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// lateAfter is how long after the end of a session a request of it may still be handled. Chosen: several tries.
const lateAfter = 15 * time.Second

// closed deletes the queue and the exchange of sessions once more, some time after they were closed: a request that was
// being handled at the end may have made them again, and whoever did it may have died before it saw the end.
func (s *Sweeper) closed(ctx context.Context, now time.Time) error {
	sessions, err := s.store.Sessions.Uncleared(ctx, now.Add(-lateAfter), batch)
	if err != nil {
		return err
	}
	for _, sess := range sessions {
		err := errors.Join(
			s.broker.DeleteExchange(ctx, message.SessionExchange(sess.ID)),
			s.broker.DeleteQueue(ctx, message.SessionQueue(sess.ID).Name))
		if err != nil {
			return err
		}
		err = s.store.Sessions.MarkCleared(ctx, sess.ID)
		if err != nil && !errors.Is(err, store.ErrGuard) {
			return err
		}
	}
	return nil
}
