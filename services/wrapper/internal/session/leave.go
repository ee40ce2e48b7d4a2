package session

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// Leave takes a user out: it is marked, everybody is told, and then it is removed. A user that is gone already, has
// rejoined since, or was to leave for its silence and has broken it, is no error. Without a join nobody leaves: what is
// left of a user that has, is cleared.
func (s *users) Leave(ctx context.Context, r Request, b message.Leave) error {
	if b.Join == "" {
		return s.clear(ctx, r, b)
	}
	if back, err := s.isBack(ctx, r, b); err != nil || back {
		return err
	}
	err := s.store.Sessions.MarkLeaving(ctx, r.Session, b.User, b.Join, b.Reason)
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
	for _, user := range sess.Leaving {
		if user.ID == b.User && user.Join == b.Join {
			return s.finishLeave(ctx, r, sess, user, b.Actor)
		}
	}
	return s.markEmpty(ctx, sess.ID) // whoever took the user out may have died before it could
}

// isBack reports whether a user that was to leave for its silence was heard of since the request was made, which may
// have waited for long. One that is marked already goes on leaving.
func (s *users) isBack(ctx context.Context, r Request, b message.Leave) (bool, error) {
	if b.SeenAt.IsZero() {
		return false, nil
	}
	presence, err := s.store.Presence.Get(ctx, r.Session, b.User)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil || !presence.SeenAt.After(b.SeenAt) {
		return false, err
	}
	_, _, err = s.present(ctx, r, b.Presence)
	return err == nil, ignoreFinal(err)
}

// finishLeaving ends the leaving of a user that somebody marked and did not get around to remove.
func (s *users) finishLeaving(ctx context.Context, r Request, sess *control.Session, id control.UserID) error {
	for _, user := range sess.Leaving {
		if user.ID == id {
			return s.finishLeave(ctx, r, sess, user, "")
		}
	}
	return nil
}

// finishLeave is everything after the mark. All of it can be repeated until the last step has forgotten the user.
func (s *users) finishLeave(
	ctx context.Context, r Request, sess *control.Session, user control.User, actor string,
) error {
	for _, stream := range user.Streams {
		if err := s.announceRemoved(ctx, r, sess, stream); err != nil {
			return err
		}
	}
	if !user.Told { // a join that is under way announces it, perhaps after this
		if err := s.announceUser(ctx, r, sess, user); err != nil {
			return err
		}
	}
	err := s.toAll(ctx, r, userMessage{
		ID: control.DeriveID(string(user.Join), message.UserTypeUserLeft), Type: message.UserTypeUserLeft,
		Epoch: sess.Epoch, Data: message.UserLeftData{User: message.NewUser(user), Reason: user.Leaving},
	})
	if err != nil {
		return err
	}
	for _, conn := range sess.Connections {
		if conn.User == user.ID {
			s.releaseEndpoint(ctx, sess, conn)
		}
	}
	return s.forgetUser(ctx, sess, user, actor)
}

// forgetUser removes what is only of the user. Somebody else may have finished the leaving, and the user be back:
// what is found then belongs to its new join. The presence stays until clear has looked.
func (s *users) forgetUser(ctx context.Context, sess *control.Session, user control.User, actor string) error {
	if leaving, err := s.isLeaving(ctx, sess.ID, user); err != nil || !leaving {
		return err
	}
	if err := s.broker.DeleteQueue(ctx, message.UserQueue(sess.ID, user.ID).Name); err != nil {
		return brokerError("delete a user queue", err)
	}
	if err := s.store.Negotiations.RemoveUser(ctx, sess.ID, user.ID, user.Join); err != nil {
		return err
	}
	if err := s.store.Presence.ClearBehind(ctx, sess.ID, user.ID); err != nil { // it may join again
		return err
	}
	once := Request{ID: string(user.Join)} // several requests may have a part in it
	err := s.audit(ctx, once, actor, "user.leave", "session:"+string(sess.ID), string(user.ID)+": "+user.Leaving)
	if err != nil {
		return err
	}
	err = s.store.Sessions.RemoveLeaving(ctx, sess.ID, user.ID, user.Join)
	if errors.Is(err, store.ErrGuard) {
		return nil // somebody else finished it
	}
	if err != nil {
		return err
	}
	s.log.InfoContext(ctx, "user left", slog.String(logging.KeySession, string(sess.ID)),
		slog.String(logging.KeyUser, string(user.ID)), slog.String("reason", user.Leaving))
	return s.markEmpty(ctx, sess.ID)
}

// clear removes what may be left of a user that is not in the session: its presence stays when it leaves, or when its
// join is refused, and the sweeper asks for this when nothing was heard of it for the grace time. A request that was in
// hand at that moment may have made the queue again, or begun a negotiation, and whoever did it may have died before it
// saw that the user was gone.
func (s *users) clear(ctx context.Context, r Request, b message.Leave) error {
	heard, err := s.store.Presence.Get(ctx, r.Session, b.User)
	if errors.Is(err, store.ErrNotFound) {
		return nil // somebody was faster
	}
	if err != nil || heard.SeenAt.After(b.SeenAt) { // it is joining
		return err
	}
	sess, err := s.active(ctx, r)
	if err != nil {
		return ignoreFinal(err) // what is left goes with the session
	}
	if !hasLeft(sess, b.User) {
		return nil
	}
	if err := s.broker.DeleteQueue(ctx, message.UserQueue(sess.ID, b.User).Name); err != nil {
		return brokerError("delete a user queue", err)
	}
	if err := s.store.Negotiations.RemoveUser(ctx, sess.ID, b.User, ""); err != nil {
		return err
	}
	return s.store.Presence.Remove(ctx, sess.ID, b.User, b.SeenAt)
}

// isLeaving reports whether a user that was found leaving still is.
func (s *users) isLeaving(ctx context.Context, id control.SessionID, user control.User) (bool, error) {
	sess, err := s.store.Sessions.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(sess.Leaving, func(u control.User) bool { return u.Join == user.Join }), nil
}

// markEmpty says since when nobody is in the session, if nobody is.
func (s *users) markEmpty(ctx context.Context, id control.SessionID) error {
	err := s.store.Sessions.MarkEmpty(ctx, id, time.Now().UTC())
	if errors.Is(err, store.ErrGuard) {
		return nil
	}
	return err
}
