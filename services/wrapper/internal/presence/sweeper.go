// Package presence is the slow loop that ends what nobody ends: users that were not heard of for their grace time,
// sessions that nobody is in, and sessions that were left half closed. It only asks, through the session's queue; the
// session logic decides. What closed sessions left on the broker it removes itself.
package presence

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

const (
	// batch bounds what one round looks at of each kind; the next round goes on.
	batch = 500
	// unmarkedEvery is the time between two looks for sessions without users that do not say so. The database has to go
	// through all that are active for it, and whoever takes the last user out says it nearly always.
	unmarkedEvery = 30 * time.Second
)

// Config are the settings of the sweeper.
type Config struct {
	Every        time.Duration    // between two rounds
	Grace        time.Duration    // how long a user may neither poll nor have a connection
	EmptyTimeout time.Duration    // of sessions that do not say themselves
	Now          func() time.Time // nil: time.Now
}

// Broker is what the sweeper needs of the message broker.
type Broker interface {
	Send(ctx context.Context, queue string, m broker.Message) error
	DeleteQueue(ctx context.Context, name string) error
	DeleteExchange(ctx context.Context, name string) error
	Inspect(ctx context.Context, queue string) (broker.Info, error)
}

// Sweeper looks again and again. Every Wrapper has one; two that find the same ask for the same, which is harmless.
type Sweeper struct {
	cfg    Config
	store  *store.Store
	broker Broker
	log    *slog.Logger

	// Of the one goroutine that sweeps:
	polling    polling
	emptyFrom  time.Time // where the next round goes on to look at empty sessions, most of which have time yet
	unmarkedAt time.Time // when unmarked sessions were looked for
}

// New is a sweeper; Run starts it.
func New(cfg Config, st *store.Store, b Broker, logger *slog.Logger) *Sweeper {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Sweeper{
		cfg: cfg, store: st, broker: b, log: logger.With(slog.String(logging.KeyComponent, "presence")),
		polling: polling{fresh: replicaFresh + 2*cfg.Every},
	}
}

// Run sweeps until ctx ends.
func (s *Sweeper) Run(ctx context.Context) {
	for {
		// Wrappers that started together shall not sweep together.
		pause := s.cfg.Every/2 + rand.N(s.cfg.Every) //nolint:gosec // jitter needs no secrecy
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.log.Log(ctx, level(err), "sweep not finished, the next one goes on", slog.Any(logging.KeyError, err))
		}
	}
}

// level of a failure: of an outage there is a line already.
func level(err error) slog.Level {
	if control.CodeOf(err) == control.CodeUnavailable || errors.Is(err, broker.ErrUnavailable) {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// Sweep is one round. Rounds are not to overlap.
func (s *Sweeper) Sweep(ctx context.Context) error {
	now := s.cfg.Now().UTC()
	replicas, err := s.store.RestAPIs.List(ctx)
	if err != nil {
		s.polling.forget()
		return err
	}
	s.polling.observe(replicas, now)
	return errors.Join(s.users(ctx, now), s.empty(ctx, now), s.unmarked(ctx, now), s.closing(ctx), s.closed(ctx, now))
}

// users asks for those to leave that were silent for too long, although they could poll all that time.
func (s *Sweeper) users(ctx context.Context, now time.Time) error {
	if !s.polling.possibleFor(s.cfg.Grace, now) {
		return nil
	}
	idle, err := s.store.Presence.Idle(ctx, now.Add(-s.cfg.Grace), batch)
	if err != nil {
		return err
	}
	for _, p := range idle {
		if err := s.user(ctx, p, now); err != nil {
			return err
		}
	}
	return nil
}

// user looks at one that does not poll. A connection that is connected keeps it in the session.
func (s *Sweeper) user(ctx context.Context, p control.Presence, now time.Time) error {
	sess, err := s.store.Sessions.Get(ctx, p.Session)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	switch {
	case err != nil || sess.Cleared:
		return s.store.Presence.Remove(ctx, p.Session, p.User, p.SeenAt)
	case sess.State == control.SessionClosed: // goes when its queues do
		return s.store.Presence.Heard(ctx, p.Session, p.User, now)
	case !knows(sess, p.User):
		gone := message.Leave{Presence: message.Presence{User: p.User}, SeenAt: p.SeenAt}
		return s.ask(ctx, p.Session, message.TypeLeave, gone)
	}
	for _, user := range append(sess.Users, sess.Leaving...) {
		if user.ID != p.User {
			continue
		}
		if heard := lastHeard(sess, user, p, now); !heard.Before(now.Add(-s.cfg.Grace)) {
			return s.store.Presence.Heard(ctx, p.Session, p.User, heard) // out of the way of the next rounds
		}
		leave := message.Leave{
			Presence: message.Presence{User: user.ID, Join: user.Join}, Reason: session.ReasonTimeout,
			SeenAt: p.SeenAt,
		}
		if err := s.ask(ctx, p.Session, message.TypeLeave, leave); err != nil {
			return err
		}
	}
	return nil
}

func knows(sess *control.Session, id control.UserID) bool {
	for _, user := range sess.Leaving {
		if user.ID == id {
			return true
		}
	}
	return sess.User(id) != nil
}

// lastHeard is when a user last polled or had a connection that was well.
func lastHeard(sess *control.Session, user control.User, p control.Presence, now time.Time) time.Time {
	heard := p.SeenAt
	for _, c := range sess.Connections {
		if c.User != user.ID || c.Join != user.Join {
			continue
		}
		switch c.State {
		case control.ConnectionConnected:
			return now
		case control.ConnectionDisconnected, control.ConnectionFailed:
			if c.ChangedAt.After(heard) {
				heard = c.ChangedAt
			}
		default:
		}
	}
	return heard
}

// empty asks for sessions to be closed that nobody is in, although users could come all that time.
func (s *Sweeper) empty(ctx context.Context, now time.Time) error {
	sessions, err := s.store.Sessions.Empty(ctx, s.emptyFrom, now, batch)
	if err != nil {
		return err
	}
	s.emptyFrom = time.Time{}
	if len(sessions) == batch {
		s.emptyFrom = *sessions[batch-1].EmptySince
	}
	for _, sess := range sessions {
		timeout := sess.EmptyTimeout
		if timeout <= 0 {
			timeout = s.cfg.EmptyTimeout
		}
		if now.Sub(*sess.EmptySince) < timeout || !s.polling.possibleFor(timeout, now) {
			continue
		}
		if err := s.ask(ctx, sess.ID, message.TypeCloseSession,
			message.CloseSession{Reason: session.ReasonEmpty}); err != nil {
			return err
		}
	}
	return nil
}

// unmarked finds sessions whose last user was taken out by somebody who could not say so any more.
func (s *Sweeper) unmarked(ctx context.Context, now time.Time) error {
	if now.Sub(s.unmarkedAt) < unmarkedEvery {
		return nil
	}
	s.unmarkedAt = now
	sessions, err := s.store.Sessions.Unmarked(ctx, batch)
	if err != nil {
		return err
	}
	for _, sess := range sessions {
		err := s.store.Sessions.MarkEmpty(ctx, sess.ID, now)
		if err != nil && !errors.Is(err, store.ErrGuard) {
			return err
		}
	}
	return nil
}

// closing has sessions closed to the end that somebody began to close. Most of them are just being closed: asking once
// more does no harm.
func (s *Sweeper) closing(ctx context.Context) error {
	sessions, err := s.store.Sessions.Closing(ctx, batch)
	if err != nil {
		return err
	}
	for _, sess := range sessions {
		if err := s.ask(ctx, sess.ID, message.TypeCloseSession, message.CloseSession{}); err != nil {
			return err
		}
	}
	return nil
}

// ask puts a request on a session's queue. If that is gone, every Wrapper may take it from the queue of all: making the
// session's queue again would leave one behind if we died before we knew that the session is closed by now.
func (s *Sweeper) ask(ctx context.Context, id control.SessionID, kind string, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	m := broker.Message{
		ID: control.NewID(), Type: kind, Session: string(id), Time: time.Now().UTC(), Version: message.Version, Body: data,
	}
	err = s.broker.Send(ctx, message.SessionQueue(id).Name, m)
	if errors.Is(err, broker.ErrUnroutable) {
		err = s.broker.Send(ctx, message.WrapperQueue, m)
	}
	if errors.Is(err, broker.ErrFull) {
		return nil // the next round asks again; others shall not wait for it
	}
	return err
}
