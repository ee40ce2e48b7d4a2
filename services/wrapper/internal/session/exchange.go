package session

import (
	"context"
	"errors"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// restoreExchange makes the exchange of a live session again, and sends each user the state that it may have missed. An
// exchange takes messages as soon as it is there, so everybody is bound to a spare one first, and that one to the
// exchange in one step: what is taken reaches all. Until that is done the session says so: whoever finds the exchange
// there, and nobody on it because we died, begins again.
func (s *teller) restoreExchange(ctx context.Context, r Request) error {
	sess, err := s.store.Sessions.Get(ctx, r.Session)
	if err != nil {
		return err
	}
	if sess.State == control.SessionClosed {
		return errSessionClosed
	}
	var users []control.UserID
	for _, user := range sess.Users {
		if user.Protocol == control.ProtocolAPI {
			users = append(users, user.ID)
		}
	}
	if len(users) == 0 {
		return brokerError("declare the session exchange", s.broker.DeclareExchange(ctx, message.SessionExchange(r.Session)))
	}
	for _, user := range users {
		if err := s.restoreQueue(ctx, r, sess, user); err != nil {
			return err
		}
	}
	if err := s.setRestoring(ctx, sess, true); err != nil {
		return err
	}
	if err := s.replaceExchange(ctx, r.Session, users); err != nil {
		return brokerError("make the session exchange again", err)
	}
	if err := s.setRestoring(ctx, sess, false); err != nil {
		return err
	}
	for _, user := range users { // again, for what changed meanwhile
		if err := s.bind(ctx, r, user, sess); err != nil && !errors.Is(err, errUserNotFound) {
			return err
		}
	}
	return nil
}

func (s *teller) setRestoring(ctx context.Context, sess *control.Session, restoring bool) error {
	err := s.store.Sessions.SetRestoring(ctx, sess.ID, restoring)
	if errors.Is(err, store.ErrGuard) {
		return errSessionClosed
	}
	sess.Restoring = restoring
	return err
}

// replaceExchange makes the exchange with these users on it. If we die after that, the spare one does what the bindings
// of the users would do; the sweeper deletes it with the session.
func (s *teller) replaceExchange(ctx context.Context, session control.SessionID, users []control.UserID) error {
	exchange, spare := message.SessionExchange(session), message.SpareExchange(session)
	if err := s.broker.DeclareExchange(ctx, spare); err != nil {
		return err
	}
	if err := s.bindAll(ctx, session, users, spare); err != nil {
		return err
	}
	if err := s.broker.DeclareExchange(ctx, exchange); err != nil {
		return err
	}
	// Another Wrapper that does the same may have deleted the spare one: then everybody is bound.
	if err := s.broker.BindExchange(ctx, spare, exchange); err != nil && !errors.Is(err, broker.ErrNotFound) {
		return err
	}
	if err := s.bindAll(ctx, session, users, exchange); err != nil {
		return err
	}
	return s.broker.DeleteExchange(ctx, spare)
}

// bindAll binds the queues of users to an exchange. One whose queue is gone has left since.
func (s *teller) bindAll(
	ctx context.Context, session control.SessionID, users []control.UserID, exchange string,
) error {
	for _, user := range users {
		err := s.broker.Bind(ctx, message.UserQueue(session, user).Name, exchange)
		if err != nil && !errors.Is(err, broker.ErrNotFound) {
			return err
		}
	}
	return nil
}
