package session

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// ReasonEmpty closes a session because nobody is in it; somebody who joined meanwhile keeps it open.
const ReasonEmpty = "empty"

// Close ends a session for everybody: it is marked, everybody is told, media, queue and exchange go, and then it counts
// as closed. Until it does, the sweeper has what is left of it ended by another request. The queues
// of users stay, so that what is pending can be read. A session that is closed already, or not there, is no error.
func (s *lifecycle) Close(ctx context.Context, r Request, b message.CloseSession) error {
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
	// Also of a session that is closed: this request may have had its queue made again.
	if err := s.deleteTopology(ctx, r); err != nil {
		return err
	}
	return s.markClosed(ctx, sess)
}

// endSession is everything between the mark and the end. All of it can be repeated.
func (s *lifecycle) endSession(ctx context.Context, r Request, sess *control.Session, actor string) error {
	if err := s.tellClosed(ctx, r, sess); err != nil {
		return err
	}
	if sess.Pipeline != nil {
		s.release(ctx, sess.Pipeline.Server, sess.Pipeline.ID)
	}
	if sess.Relocation != nil {
		s.release(ctx, sess.Relocation.From.Server, sess.Relocation.From.ID)
	}
	if err := s.store.Negotiations.RemoveSession(ctx, sess.ID); err != nil {
		return err
	}
	// The sweeper forgets it when it has looked at the queues, and shall not miss anybody before.
	if err := s.store.Presence.TouchSession(ctx, sess.ID, time.Now().UTC()); err != nil {
		return err
	}
	once := Request{ID: sess.CreatedBy} // several requests may have a part in it
	return s.audit(ctx, once, actor, "session.close", "session:"+string(sess.ID), sess.CloseReason)
}

// tellClosed sends everybody the last message. An exchange that is gone went after that message had been sent.
func (s *lifecycle) tellClosed(ctx context.Context, r Request, sess *control.Session) error {
	u := userMessage{
		ID:   control.DeriveID(sess.CreatedBy, message.UserTypeSessionClosed),
		Type: message.UserTypeSessionClosed, Epoch: sess.Epoch,
		Data: message.SessionClosedData{Reason: sess.CloseReason},
	}
	m, err := envelope(r, "", u)
	if err != nil {
		return err
	}
	err = s.broker.Broadcast(ctx, message.SessionExchange(r.Session), m)
	if errors.Is(err, broker.ErrNotFound) || errors.Is(err, broker.ErrUnroutable) || errors.Is(err, broker.ErrFull) {
		return nil // whoever has a full queue finds the session closed when it has read it
	}
	return brokerError("send "+u.Type, err)
}

func (s *lifecycle) markClosed(ctx context.Context, sess *control.Session) error {
	now := time.Now().UTC()
	err := s.store.Sessions.MarkClosed(ctx, sess.ID, now, now.Add(s.cfg.Forget))
	if errors.Is(err, store.ErrGuard) {
		return nil // somebody else finished it
	}
	if err == nil {
		s.log.InfoContext(ctx, "session closed", slog.String(logging.KeySession, string(sess.ID)),
			slog.String("reason", sess.CloseReason))
	}
	return err
}

// deleteTopology ends the session's exchange and queue; the queue last, because it holds the request that does this.
func (s *lifecycle) deleteTopology(ctx context.Context, r Request) error {
	if err := s.broker.DeleteExchange(ctx, message.SessionExchange(r.Session)); err != nil {
		return brokerError("delete the session exchange", err)
	}
	return brokerError("delete the session queue", s.broker.DeleteQueue(ctx, message.SessionQueue(r.Session).Name))
}
