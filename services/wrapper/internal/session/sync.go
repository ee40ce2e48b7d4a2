package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// Sync makes the user's queue again, if it is gone, and sends the whole state that the user needs. One that WHIP
// brought in has no queue: nobody would ever read it.
func (s *users) Sync(ctx context.Context, r Request, b message.Presence) error {
	// First, so that what is lost after the session was read leaves its mark.
	if err := s.store.Presence.ClearBehind(ctx, r.Session, b.User); err != nil {
		return err
	}
	sess, user, err := s.present(ctx, r, b)
	if err != nil || user.Protocol != control.ProtocolAPI {
		return err
	}
	return s.restoreUser(ctx, r, sess, *user)
}

// restoreUser puts a sync on the user's queue before the queue is bound, so that it is the first message of a new one.
func (s *teller) restoreUser(ctx context.Context, r Request, sess *control.Session, user control.User) error {
	if err := s.restoreQueue(ctx, r, sess, user.ID); err != nil {
		return err
	}
	return s.bind(ctx, r, user.ID, sess)
}

// restoreQueue makes the user's queue again, with a sync in it.
func (s *teller) restoreQueue(ctx context.Context, r Request, sess *control.Session, user control.UserID) error {
	if err := s.broker.DeclareQueue(ctx, message.UserQueue(sess.ID, user)); err != nil {
		return brokerError("declare a user queue", err)
	}
	return s.sendSync(ctx, r, sess, user, "first")
}

// bind lets the user's queue have what goes to everybody. What changed since told was read, which is what the user was
// told (nil: that is not known), comes as a sync: it was sent before the queue was bound. An exchange that is gone is
// made again with everybody on it: the others would not notice.
func (s *teller) bind(ctx context.Context, r Request, user control.UserID, told *control.Session) error {
	queue, exchange := message.UserQueue(r.Session, user).Name, message.SessionExchange(r.Session)
	err := broker.ErrNotFound
	if told == nil || !told.Restoring {
		err = brokerError("bind a user queue", s.broker.Bind(ctx, queue, exchange))
	}
	if errors.Is(err, broker.ErrNotFound) {
		err = s.bindAgain(ctx, r, user)
	}
	if err != nil {
		return err
	}
	now, err := s.active(ctx, r)
	if err != nil {
		return err
	}
	if hasLeft(now, user) {
		return s.takeBack(ctx, r, user)
	}
	if told == nil && now.Restoring {
		return s.restoreExchange(ctx, r)
	}
	return s.resync(ctx, r, user, told, now)
}

// bindAgain makes what is missing and binds a user's queue. It may be the queue that is gone, with its user: that is no
// reason to send everybody a sync.
func (s *teller) bindAgain(ctx context.Context, r Request, user control.UserID) error {
	now, err := s.active(ctx, r)
	if err != nil {
		return err
	}
	if hasLeft(now, user) {
		return s.takeBack(ctx, r, user)
	}
	if err := s.restoreExchange(ctx, r); err != nil {
		return err
	}
	queue, exchange := message.UserQueue(r.Session, user).Name, message.SessionExchange(r.Session)
	return brokerError("bind a user queue", s.broker.Bind(ctx, queue, exchange))
}

// takeBack deletes the queue of a user that has left since: it was gone before we made it again.
func (s *teller) takeBack(ctx context.Context, r Request, user control.UserID) error {
	err := s.broker.DeleteQueue(ctx, message.UserQueue(r.Session, user).Name)
	return errors.Join(errUserNotFound, brokerError("delete a user queue", err))
}

// hasLeft reports whether a user is not in a session any more, and is not being let out of it either.
func hasLeft(sess *control.Session, user control.UserID) bool {
	leaving := func(u control.User) bool { return u.ID == user }
	return sess.User(user) == nil && !slices.ContainsFunc(sess.Leaving, leaving)
}

// resync sends syncs until what the user was told last is what the session still is: what happens between the reading
// and the sending of one is told before it.
func (s *teller) resync(ctx context.Context, r Request, user control.UserID, told, now *control.Session) error {
	for try := range guardTries {
		if told != nil {
			if same, err := sameForUsers(told, now); err != nil || same {
				return err
			}
		}
		if err := s.sendSync(ctx, r, now, user, fmt.Sprint("bound", try)); err != nil {
			return err
		}
		told = now
		var err error
		if now, err = s.active(ctx, r); err != nil {
			return err
		}
	}
	return errBusy
}

// sameForUsers reports whether a client sees no difference between two readings of a session.
func sameForUsers(a, b *control.Session) (bool, error) {
	before, err := json.Marshal(visible(a))
	if err != nil {
		return false, err
	}
	after, err := json.Marshal(visible(b))
	return string(before) == string(after) && a.Epoch == b.Epoch, err
}

// visible is the users of a session, with those of their streams that nobody is about to announce as gone: whoever
// comes in between would not hear of it.
func visible(sess *control.Session) []message.User {
	users := slices.Clone(sess.Users)
	for i := range users {
		conn := sess.Connection(users[i].ID, control.Publish)
		users[i].Streams = slices.DeleteFunc(slices.Clone(users[i].Streams), func(stream control.Stream) bool {
			return stream.Join != users[i].Join || conn != nil && conn.Join == stream.Join && stopped(*conn)
		})
	}
	return message.NewUsers(users)
}

// sendSync sends the state; occasion tells apart the syncs that one request sends to one user.
func (s *teller) sendSync(
	ctx context.Context, r Request, sess *control.Session, user control.UserID, occasion string,
) error {
	connections := []message.SyncConnection{}
	for _, kind := range []control.ConnectionKind{control.Publish, control.Subscribe} {
		connection, err := s.syncConnection(ctx, sess, user, kind)
		if err != nil {
			return err
		}
		if connection != nil {
			connections = append(connections, *connection)
		}
	}
	data := message.SyncData{
		Users: visible(sess), ICEServers: s.cfg.ICEServers, Epoch: sess.Epoch, Connections: connections,
	}
	content, err := fingerprint(data)
	if err != nil {
		return err
	}
	return s.toUser(ctx, r, user, userMessage{
		ID:   control.DeriveID(r.ID, fmt.Sprintf("%s/%s/%s/%s", message.UserTypeSync, user, occasion, content)),
		Type: message.UserTypeSync, Epoch: sess.Epoch, Data: data,
	})
}

// fingerprint is what a sync says, without what is another each time. It is part of the message's id: a delivery that
// is repeated may have more to say, which a client that knows the id would not read.
func fingerprint(data message.SyncData) (string, error) {
	data.ICEServers, data.Users = nil, slices.Clone(data.Users)
	for i := range data.Users {
		data.Users[i].JoinedAt = message.Time{}
	}
	said, err := json.Marshal(data)
	return string(said), err
}

// syncConnection is one connection with the SDP that the client may have missed: its last answer, or the server's offer
// that it did not answer yet. nil if there is no such connection.
func (s *teller) syncConnection(
	ctx context.Context, sess *control.Session, id control.UserID, kind control.ConnectionKind,
) (*message.SyncConnection, error) {
	user := sess.User(id)
	if user == nil {
		return nil, nil //nolint:nilnil // nothing to tell is no error
	}
	conn := connectionOf(sess, user, kind)
	if conn == nil {
		return nil, nil //nolint:nilnil // nothing to tell is no error
	}
	told := &message.SyncConnection{Kind: kind, Seq: conn.Seq, State: conn.State}
	negotiation, err := s.store.Negotiations.Get(ctx, control.NegotiationID(sess.ID, id, kind))
	if errors.Is(err, store.ErrNotFound) {
		return told, nil
	}
	if err != nil {
		return nil, err
	}
	if negotiation.Join != user.Join || negotiation.Epoch != sess.Epoch {
		return told, nil
	}
	if a := negotiation.AnswerBy(conn.Endpoint.ID, conn.Seq); a != nil {
		told.Answer = a.SDP
	}
	if negotiation.Seq > negotiation.AnsweredSeq && kind == control.Subscribe {
		told.Seq, told.Offer = negotiation.Seq, negotiation.Offer
	}
	return told, nil
}
