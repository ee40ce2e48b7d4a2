package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

const (
	// relocationTime is how long a session that is moved keeps the pipeline before, for those who are slow to connect to
	// the new one. Chosen: longer than ICE takes on a bad network, and short beside a drain.
	relocationTime = 15 * time.Second
	// relocationOverlap is how long it keeps it when everybody is connected: packets of the new one come then, and a
	// picture begins with the next keyframe. Chosen: longer than that takes.
	relocationOverlap = 2 * time.Second
)

// ReasonRelocating is why users are told to reconnect although their media is well.
const ReasonRelocating = "relocating"

// RelocateID is the id of the request to relocate the pipeline that a session has under epoch.
func RelocateID(session control.SessionID, epoch int64) string {
	return control.DeriveID(string(session), fmt.Sprintf("relocate/%d", epoch))
}

// Relocate moves a session off a media server that lives, make-before-break:
//
//	a pipeline is made elsewhere, and stored under the next epoch beside the one before
//	everybody is told to reconnect; what they subscribe with is made
//	everybody who had media has it in the new pipeline, or the time is up
//	everybody is told that the pipeline before is gone; it is released, and forgotten
//
// The same request does whatever is left of that. A session that no server takes stays where it is: whoever wants it
// moved asks again. One that has moved on needs nothing.
func (s *lifecycle) Relocate(ctx context.Context, r Request, b message.Relocate) error {
	sess, err := s.active(ctx, r)
	if err != nil {
		return ignoreFinal(err)
	}
	if sess.Relocation == nil && sess.Epoch == b.Epoch && sess.Pipeline != nil && sess.Pipeline.ID == b.Pipeline {
		if sess, err = s.beginRelocation(ctx, r, sess); err != nil || sess == nil {
			return err
		}
	}
	move := sess.Relocation
	if move == nil || move.Epoch != b.Epoch || move.From.ID != b.Pipeline {
		return nil
	}
	if time.Now().Before(move.Until) {
		if err := s.tellToMove(ctx, r, sess, b.Reason); err != nil {
			return err
		}
		return s.hastenRelocation(ctx, sess)
	}
	if lost, err := s.lost(ctx, *sess.Pipeline); err != nil || lost {
		return err // it is about to be rebuilt: until then the pipeline before is all that there is
	}
	if !toldToMove(sess) {
		if err := s.tellToMove(ctx, r, sess, b.Reason); err != nil && !r.Last {
			return err
		}
	}
	return s.endRelocation(ctx, r, sess)
}

// tellToMove is everything after the second pipeline is stored.
func (s *lifecycle) tellToMove(ctx context.Context, r Request, sess *control.Session, reason string) error {
	once := Request{ID: RelocateID(sess.ID, sess.Relocation.Epoch)} // whoever asks
	if err := s.audit(ctx, once, "", "session.relocate", "session:"+string(sess.ID), reason); err != nil {
		return err
	}
	return s.reconnect(ctx, r, sess, ReasonRelocating)
}

// toldToMove reports whether tellToMove was done: everybody who subscribes can do so in the new pipeline, which comes
// last. False also when it cannot be known. Whoever began the move may have died before that, with nobody to go on for
// longer than a move takes: then users would lose the pipeline before, and never hear of the new one.
func toldToMove(sess *control.Session) bool {
	some := false
	for _, user := range sess.Users {
		if !user.Permissions.Subscribe {
			continue
		}
		if connectionOf(sess, &user, control.Subscribe) == nil {
			return false
		}
		some = true
	}
	return some || len(sess.Users) == 0
}

// beginRelocation gives the session a second pipeline. nil without an error: there is no place for it now, or its own
// is lost, and it is about to be rebuilt.
func (s *lifecycle) beginRelocation(
	ctx context.Context, r Request, sess *control.Session,
) (*control.Session, error) {
	if lost, err := s.lost(ctx, *sess.Pipeline); err != nil || lost {
		return nil, err
	}
	ref, err := s.place(ctx, sess, sess.Pipeline.Server)
	if err != nil {
		s.metrics.relocations.WithLabelValues(string(control.CodeOf(err))).Inc()
		s.log.DebugContext(ctx, "no media server takes a session that is to be moved",
			slog.String(logging.KeySession, string(sess.ID)), slog.Any(logging.KeyError, err))
		return nil, nil //nolint:nilnil // it goes on where it is, and is asked again
	}
	since := time.Now().UTC()
	err = s.store.Sessions.BeginRelocation(ctx, sess.ID, control.Relocation{
		From: *sess.Pipeline, Epoch: sess.Epoch, Since: since, Until: since.Add(relocationTime),
	}, ref)
	now, err := s.placed(ctx, r, sess, ref, err)
	return now, ignoreFinal(err)
}

// endRelocation is everything after the last has moved, or the time is up. All of it can be repeated until the move is
// forgotten.
func (s *lifecycle) endRelocation(ctx context.Context, r Request, sess *control.Session) error {
	move := sess.Relocation
	if err := s.tellEpoch(ctx, r, message.UserTypeDisconnected, move.Epoch, ReasonRelocating); err != nil {
		return err
	}
	s.release(ctx, move.From.Server, move.From.ID)
	for range guardTries {
		err := s.forgetRelocation(ctx, sess)
		if !errors.Is(err, store.ErrGuard) {
			return err
		}
		if sess, err = s.active(ctx, r); err != nil {
			return ignoreFinal(err)
		}
		if sess.Relocation == nil || sess.Relocation.Epoch != move.Epoch {
			return nil // somebody else finished it
		}
	}
	return errBusy
}

// forgetRelocation is the update that ends a move. Who is not connected by then was well until now: its grace time
// begins. Errors: [store.ErrGuard] when the move has ended, or one of these is connected meanwhile.
func (s *lifecycle) forgetRelocation(ctx context.Context, sess *control.Session) error {
	move, now := sess.Relocation, time.Now().UTC()
	late := unmoved(sess)
	var reconnecting []control.UserID
	for _, user := range late {
		if err := s.store.Presence.Heard(ctx, sess.ID, user.ID, now); err != nil {
			return err
		}
		if !slices.ContainsFunc(sess.Connections, func(c control.Connection) bool {
			return c.User == user.ID && c.Epoch == sess.Epoch && c.State == control.ConnectionConnected
		}) {
			reconnecting = append(reconnecting, user.ID)
		}
	}
	if err := s.store.Sessions.EndRelocation(ctx, sess.ID, move.Epoch, reconnecting); err != nil {
		return err
	}
	s.metrics.relocated(now.Sub(move.Since), slices.ContainsFunc(late, canBeTold))
	s.log.InfoContext(ctx, "session relocated", slog.String(logging.KeySession, string(sess.ID)),
		slog.String(logging.KeyServer, string(sess.Pipeline.Server)), slog.String("from", string(move.From.Server)),
		slog.Int64(logging.KeyEpoch, sess.Epoch), slog.Int("late", len(late)))
	return nil
}

// hastenRelocation ends a move soon when everybody has moved who can be told to.
func (s *endpoints) hastenRelocation(ctx context.Context, sess *control.Session) error {
	if sess.Relocation == nil || slices.ContainsFunc(unmoved(sess), canBeTold) {
		return nil
	}
	soon := time.Now().UTC().Add(relocationOverlap)
	err := s.store.Sessions.HastenRelocation(ctx, sess.ID, sess.Relocation.Epoch, soon)
	if errors.Is(err, store.ErrGuard) {
		return nil // it ends sooner, or has ended
	}
	return err
}

// canBeTold reports whether a user hears that it has to move.
func canBeTold(user control.User) bool { return user.Protocol == control.ProtocolAPI }

// unmoved lists the users that have media in the pipeline that the session is being moved from, and not in the new one.
func unmoved(sess *control.Session) []control.User {
	var users []control.User
	for _, user := range sess.Users {
		if slices.ContainsFunc(sess.Connections, func(c control.Connection) bool {
			return c.Epoch == sess.Relocation.Epoch && c.User == user.ID && c.Join == user.Join &&
				c.State == control.ConnectionConnected && !moved(sess, &user, c.Kind)
		}) {
			users = append(users, user)
		}
	}
	return users
}

// moved reports whether a connection of user is well in the new pipeline, or there is nothing for it there.
func moved(sess *control.Session, user *control.User, kind control.ConnectionKind) bool {
	conn := connectionOf(sess, user, kind)
	if conn != nil && (conn.State == control.ConnectionConnected || conn.State == control.ConnectionClosed) {
		return true
	}
	if kind == control.Publish {
		return len(user.Published()) == 0
	}
	return !slices.ContainsFunc(sess.Users, func(from control.User) bool {
		wanted := func(s control.Stream) bool { return subscribes(user.Subscriptions, s.ID) }
		return from.ID != user.ID && publishes(sess, &from) && slices.ContainsFunc(from.Published(), wanted)
	})
}

// publishes reports whether media of user reaches the present pipeline.
func publishes(sess *control.Session, user *control.User) bool {
	conn := connectionOf(sess, user, control.Publish)
	return conn != nil && conn.State == control.ConnectionConnected
}

// subscribes reports whether a stream is among those that are wanted.
func subscribes(wanted control.Subscriptions, id control.StreamID) bool {
	return wanted.Mode != control.SubscribeList ||
		slices.ContainsFunc(wanted.Streams, func(s control.Subscription) bool { return s.ID == id })
}
