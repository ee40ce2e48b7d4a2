package session

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// ReasonEmpty closes a session because nobody is in it; somebody who joined meanwhile keeps it open.
const ReasonEmpty = "empty"

// Close ends a session for everybody: it is marked, everybody is told, the media is released, and then it is closed and
// its queue and exchange go. The queues of users stay, so that what is pending can be read. A session that is closed
// already, or not there, is no error.
func (s *Service) Close(ctx context.Context, r Request, b message.CloseSession) error {
	err := s.store.Sessions.MarkClosing(ctx, r.Session, b.Reason, b.Reason == ReasonEmpty)
	if err != nil && !errors.Is(err, store.ErrGuard) {
		return err
	}
	sess, err := s.store.Sessions.Get(ctx, r.Session)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if sess.State == control.SessionActive {
		return nil // it was to be closed when empty, and is not
	}
	if sess.State == control.SessionClosing {
		if err := s.endSession(ctx, r, sess, b.Actor); err != nil {
			return err
		}
	}
	return s.deleteTopology(ctx, r)
}

// endSession is everything between the mark and the end. All of it can be repeated.
func (s *Service) endSession(ctx context.Context, r Request, sess *control.Session, actor string) error {
	err := s.toAll(ctx, r, userMessage{
		ID:   control.DeriveID(sess.CreatedBy, message.UserTypeSessionClosed),
		Type: message.UserTypeSessionClosed, Epoch: sess.Epoch,
		Data: message.SessionClosedData{Reason: sess.CloseReason},
	})
	if err != nil {
		return err
	}
	if sess.Pipeline != nil {
		s.release(ctx, sess.Pipeline.Server, sess.Pipeline.ID)
	}
	if err := s.store.Negotiations.RemoveSession(ctx, sess.ID); err != nil {
		return err
	}
	if err := s.store.Presence.RemoveSession(ctx, sess.ID); err != nil {
		return err
	}
	if err := s.audit(ctx, r, actor, "session.close", "session:"+string(sess.ID), sess.CloseReason); err != nil {
		return err
	}
	now := time.Now().UTC()
	err = s.store.Sessions.MarkClosed(ctx, sess.ID, now, now.Add(s.cfg.Forget))
	if errors.Is(err, store.ErrGuard) {
		return nil // somebody else finished it
	}
	if err == nil {
		s.log.Info("session closed", slog.String(logging.KeySession, string(sess.ID)),
			slog.String("reason", sess.CloseReason))
	}
	return err
}

// deleteTopology ends the session's exchange and queue; the queue last, because it holds the request that does this.
func (s *Service) deleteTopology(ctx context.Context, r Request) error {
	if err := s.broker.DeleteExchange(ctx, message.SessionExchange(r.Session)); err != nil {
		return brokerError("delete the session exchange", err)
	}
	return brokerError("delete the session queue", s.broker.DeleteQueue(ctx, message.SessionQueue(r.Session).Name))
}
