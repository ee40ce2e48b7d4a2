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

// Join brings a user in, or begins a new presence of one that is there. The id of the request is the JoinID. Errors:
// conflict when the session is full, or when another join or leave of the same user was faster than this one expected;
// no_capacity when a pipeline is needed and no media server takes it: nothing is stored then.
func (s *users) Join(ctx context.Context, r Request, b message.Join) (*message.Joined, error) {
	repeated, err := s.admit(ctx, r, b)
	if err != nil {
		return nil, err
	}
	p := message.Presence{User: b.User, Join: control.JoinID(r.ID)}
	sess, user, err := s.present(ctx, r, p)
	if err != nil {
		return nil, err
	}
	rejoined := user.Added != addedUserID(r) // whatever Replaces says: the request may be repeated without it
	if rejoined {
		if err := s.endOldJoins(ctx, r, p); err != nil {
			return nil, err
		}
		if sess, user, err = s.present(ctx, r, p); err != nil {
			return nil, err
		}
	}
	if err := s.welcome(ctx, r, sess, *user, repeated); err != nil {
		return nil, err
	}
	if err := s.beginSubscribing(ctx, r, sess, *user); err != nil {
		return nil, err
	}
	return &message.Joined{User: *user, Rejoined: rejoined, Epoch: sess.Epoch}, nil
}

// addedUserID is the id of the message that tells everybody of a user whose first join is r.
func addedUserID(r Request) string { return control.DeriveID(r.ID, message.UserTypeUserJoined) }

// admit stores the user under its new join. repeated says that an earlier delivery of the request has done so.
func (s *users) admit(ctx context.Context, r Request, b message.Join) (repeated bool, err error) {
	for range guardTries {
		sess, err := s.active(ctx, r)
		if err != nil {
			return false, err
		}
		if user := sess.User(b.User); user != nil && user.Join == control.JoinID(r.ID) {
			return true, nil
		}
		if slices.Contains(sess.Ended, control.JoinID(r.ID)) {
			return false, errEndedJoin
		}
		if err := s.finishLeaving(ctx, r, sess, b.User); err != nil {
			return false, err
		}
		if err := checkPlace(sess, b); err != nil {
			return false, err
		}
		if sess, err = s.ensurePipeline(ctx, r, sess); err != nil {
			return false, err
		}
		if err := s.enter(ctx, r, sess, b); !errors.Is(err, store.ErrGuard) {
			return false, err
		}
	}
	return false, errBusy
}

// checkPlace refuses what the guards of the store would refuse anyway, before a pipeline is made for it.
func checkPlace(sess *control.Session, b message.Join) error {
	user := sess.User(b.User)
	switch {
	case b.Replaces == "" && user != nil:
		return control.Errorf(control.CodeConflict, "user %q has joined already", b.User)
	case b.Replaces != "" && (user == nil || user.Join != b.Replaces):
		return errReplacedJoin
	case b.Replaces == "" && sess.MaxUsers > 0 && len(sess.Users) >= sess.MaxUsers:
		return control.Errorf(control.CodeConflict, "the session is full with %d users", sess.MaxUsers)
	default:
		return nil
	}
}

// enter is the one guarded update that makes the user present under the join r. Its presence is noted first, so that
// neither a user nor a queue can be without one, and its queue is there before it is, so that nothing that is sent to
// it finds none.
func (s *users) enter(ctx context.Context, r Request, sess *control.Session, b message.Join) error {
	now := time.Now().UTC()
	if err := s.store.Presence.Begin(ctx, sess.ID, b.User, now); err != nil {
		return err
	}
	if b.Protocol == control.ProtocolAPI {
		if err := s.broker.DeclareQueue(ctx, message.UserQueue(sess.ID, b.User)); err != nil {
			return brokerError("declare a user queue", err)
		}
	}
	user := control.User{
		ID: b.User, Name: b.Name, Protocol: b.Protocol, Metadata: b.Metadata, State: control.UserJoined, JoinedAt: now,
		Join: control.JoinID(r.ID), Added: addedUserID(r), Permissions: b.Permissions,
		Subscriptions: control.Subscriptions{Mode: control.SubscribeAll},
	}
	var err error
	if b.Replaces == "" {
		err = s.store.Sessions.AddUser(ctx, sess.ID, user, sess.MaxUsers)
	} else {
		err = s.store.Sessions.Rejoin(ctx, sess.ID, b.Replaces, user, !b.KeepProfile)
	}
	if err == nil {
		s.log.InfoContext(ctx, "user joined", slog.String(logging.KeySession, string(sess.ID)),
			slog.String(logging.KeyUser, string(b.User)), slog.Bool("rejoin", b.Replaces != ""))
	}
	return err
}

// endOldJoins ends what the user had under earlier joins: everybody is told that its streams are gone, its endpoints
// are released, and only then are they forgotten.
func (s *users) endOldJoins(ctx context.Context, r Request, p message.Presence) error {
	sess, user, err := s.present(ctx, r, p)
	if err != nil {
		return err
	}
	for _, stream := range user.Streams {
		if stream.Join == p.Join {
			continue
		}
		if err := s.announceRemoved(ctx, r, sess, stream); err != nil {
			return err
		}
	}
	for _, conn := range sess.Connections {
		if conn.User == p.User && conn.Join != p.Join {
			s.releaseEndpoint(ctx, sess, conn)
		}
	}
	err = s.store.Sessions.DropOldJoin(ctx, sess.ID, p.User, p.Join)
	if errors.Is(err, store.ErrGuard) {
		return errReplacedJoin
	}
	return err
}

// welcome tells the user first and everybody then. The user's queue is bound to the session only after joined is on it,
// and what happened between the reading for joined and the binding comes as a sync. Of several joined the client takes
// the first; so when this one is not the only one, a sync comes in any case: whoever sent the first may have died
// before the queue was bound, and what happened since was told to nobody.
func (s *users) welcome(
	ctx context.Context, r Request, sess *control.Session, user control.User, repeated bool,
) error {
	if user.Protocol == control.ProtocolAPI {
		if err := s.greet(ctx, r, sess, user, repeated); err != nil {
			return err
		}
	}
	if user.Told {
		return nil // under an earlier join, or by an earlier delivery
	}
	if err := s.announceUser(ctx, r, sess, user); err != nil {
		return err
	}
	err := s.store.Sessions.SetUserTold(ctx, sess.ID, user.ID, user.Added)
	if errors.Is(err, store.ErrGuard) {
		return nil
	}
	return err
}

// greet sends the user its first message, and binds its queue.
func (s *users) greet(ctx context.Context, r Request, sess *control.Session, user control.User, repeated bool) error {
	if err := s.broker.DeclareQueue(ctx, message.UserQueue(sess.ID, user.ID)); err != nil {
		return brokerError("declare a user queue", err)
	}
	err := s.toUser(ctx, r, user.ID, userMessage{
		ID: control.DeriveID(string(user.Join), message.UserTypeJoined), Type: message.UserTypeJoined, Epoch: sess.Epoch,
		Data: message.JoinedData{
			User: message.NewUser(user), Users: visible(sess),
			ICEServers: s.cfg.ICEServers, Epoch: sess.Epoch,
		},
	})
	if err != nil {
		return err
	}
	if repeated {
		sess = nil // what the client knows may be of any time before
	}
	return s.bind(ctx, r, user.ID, sess)
}

// beginSubscribing makes the endpoint that sends to the user. The media server offers by itself when there is something
// to send. A media server that cannot be reached does not hold up the join: the request waits in the session's queue.
func (s *users) beginSubscribing(ctx context.Context, r Request, sess *control.Session, user control.User) error {
	if !user.Permissions.Subscribe {
		return nil
	}
	p := message.Presence{User: user.ID, Join: user.Join}
	_, err := s.ensureEndpoint(ctx, r, p, control.Subscribe, sess.Epoch)
	if err == nil || !Retryable(err) {
		return nil // gone or rejoined meanwhile, or in a new epoch, where the rebuild makes it
	}
	if ctx.Err() != nil {
		return err
	}
	s.log.WarnContext(ctx, "subscribe endpoint not made yet, trying again",
		slog.String(logging.KeySession, string(sess.ID)),
		slog.String(logging.KeyUser, string(user.ID)), slog.Any(logging.KeyError, err))
	// Its id sorts like that of the join: requests to offer or to stop that come after this one have the last word.
	return s.toSession(ctx, r, r.ID+"."+message.TypeRequestOffer, message.TypeRequestOffer,
		message.RequestOffer{Presence: p, Epoch: sess.Epoch})
}
