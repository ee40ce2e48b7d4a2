package session

import (
	"context"
	"errors"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// Unpublish stops publishing: the connection is marked as closed, everybody is told, the endpoint is released, and then
// the streams are forgotten. An offer after UpTo that was answered already makes it void.
func (s *publishing) Unpublish(ctx context.Context, r Request, b message.Unpublish) error {
	finished := false
	for range guardTries {
		sess, user, err := s.present(ctx, r, b.Presence)
		if err != nil {
			return err
		}
		conn, upTo := connectionOf(sess, user, control.Publish), voidIn(sess.Epoch, b)
		switch {
		case conn == nil && upTo == 0 && len(user.Streams) == 0:
			return nil
		case conn == nil:
			err = s.voidOffers(ctx, sess, user, upTo)
		case stopped(*conn) && conn.Seq >= upTo: // above it: an offer was refused since
			if cleared(*user, *conn) {
				return nil
			}
			finished = true
			err = s.finishStop(ctx, r, sess, *user, *conn)
		case finished || conn.Seq > upTo: // the user has begun anew
			return nil
		default:
			err = s.stop(ctx, sess, *conn, upTo)
		}
		if err != nil && !errors.Is(err, store.ErrGuard) {
			return err
		}
	}
	return errBusy
}

// voidIn is up to which seq the offers of an epoch are void. The user may have been told of a new epoch since, or not
// know of it yet: what it offers there begins at 1.
func voidIn(epoch int64, b message.Unpublish) int64 {
	if b.Epoch != 0 && b.Epoch != epoch {
		return 0
	}
	return b.UpTo
}

// voidOffers enters a closed connection, so that offers up to upTo that come later find themselves void.
func (s *publishing) voidOffers(ctx context.Context, sess *control.Session, user *control.User, upTo int64) error {
	return s.store.Sessions.AddConnection(ctx, sess.ID, control.Connection{
		ID: connectionID(user.ID, control.Publish), User: user.ID, Kind: control.Publish, Join: user.Join,
		Epoch: sess.Epoch, Seq: upTo, State: control.ConnectionClosed, ChangedAt: time.Now().UTC(),
	})
}

func (s *publishing) stop(ctx context.Context, sess *control.Session, conn control.Connection, upTo int64) error {
	return s.store.Sessions.StopPublishing(ctx, sess.ID, conn, upTo, time.Now().UTC())
}

// finishStop is everything after the mark. All of it can be repeated until the last step has forgotten endpoint and
// streams.
func (s *endpoints) finishStop(
	ctx context.Context, r Request, sess *control.Session, user control.User, conn control.Connection,
) error {
	if cleared(user, conn) {
		return nil
	}
	for _, stream := range user.Streams {
		if err := s.announceRemoved(ctx, r, sess, stream); err != nil {
			return err
		}
	}
	for _, c := range sess.Connections { // while the session is being moved it is heard in two pipelines
		if c.User == user.ID && c.Kind == conn.Kind {
			s.releaseEndpoint(ctx, sess, c)
		}
	}
	err := s.store.Sessions.ClearStopped(ctx, sess.ID, conn)
	if errors.Is(err, store.ErrGuard) {
		return nil // somebody else finished it
	}
	return err
}
