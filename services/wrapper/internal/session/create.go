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

// Create inserts a session, with its queue and exchange there before anybody can see it. Errors: conflict for an id
// that another request has taken.
func (s *lifecycle) Create(ctx context.Context, r Request, b message.CreateSession) (*message.SessionCreated, error) {
	r.Session = b.ID
	created, err := s.create(ctx, r, b)
	if err != nil && r.Last && Retryable(err) {
		err = errors.Join(err, s.clearUncreated(ctx, r))
	}
	return created, err
}

// clearUncreated takes back what a creation has declared that is given up: no loop would find it without a session.
func (s *lifecycle) clearUncreated(ctx context.Context, r Request) error {
	_, err := s.store.Sessions.Get(ctx, r.Session)
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return s.deleteTopology(ctx, r)
}

func (s *lifecycle) create(ctx context.Context, r Request, b message.CreateSession) (*message.SessionCreated, error) {
	now := time.Now().UTC()
	if err := s.store.Sessions.DeleteExpired(ctx, b.ID, now); err != nil {
		return nil, err
	}
	if created, err := s.created(ctx, r); err == nil {
		return created, s.auditCreated(ctx, r, b)
	} else if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if err := s.broker.DeclareExchange(ctx, message.SessionExchange(b.ID)); err != nil {
		return nil, brokerError("declare the session exchange", err)
	}
	if err := s.broker.DeclareQueue(ctx, message.SessionQueue(b.ID)); err != nil {
		return nil, brokerError("declare the session queue", err)
	}
	err := s.store.Sessions.Insert(ctx, control.Session{
		ID: b.ID, State: control.SessionActive, CreatedAt: now, CreatedBy: r.ID, Metadata: b.Metadata,
		MaxUsers: b.MaxUsers, Region: b.Region, EmptyTimeout: b.EmptyTimeout, EmptySince: &now,
	})
	if err != nil && !errors.Is(err, store.ErrGuard) {
		return nil, err
	}
	created, err := s.created(ctx, r)
	if err != nil {
		return nil, err
	}
	s.log.InfoContext(ctx, "session created",
		slog.String(logging.KeySession, string(b.ID)), slog.String(logging.KeyRequest, r.ID))
	return created, s.auditCreated(ctx, r, b)
}

func (s *lifecycle) auditCreated(ctx context.Context, r Request, b message.CreateSession) error {
	return s.audit(ctx, r, b.Actor, "session.create", "session:"+string(b.ID), "")
}

// created finds what request r created. Errors: [store.ErrNotFound]; conflict if it is another request's.
func (s *lifecycle) created(ctx context.Context, r Request) (*message.SessionCreated, error) {
	sess, err := s.store.Sessions.Get(ctx, r.Session)
	if err != nil {
		return nil, err
	}
	if sess.CreatedBy != r.ID {
		return nil, control.Errorf(control.CodeConflict, "there is a session %q already", r.Session)
	}
	return &message.SessionCreated{Session: *sess}, nil
}
