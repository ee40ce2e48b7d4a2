package session

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// reader looks into the store. Those who stand on it write there, too: each its own guarded update.
type reader struct {
	cfg   Config
	store *store.Store
	log   *slog.Logger
}

// active reads the session of r. Errors: not_found, gone.
func (s *reader) active(ctx context.Context, r Request) (*control.Session, error) {
	sess, err := s.store.Sessions.Get(ctx, r.Session)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, errSessionNotFound
	case err != nil:
		return nil, err
	case sess.State != control.SessionActive:
		return nil, errSessionClosed
	default:
		return sess, nil
	}
}

// present reads the session of r and the user p in it. Errors: those of active; not_found for a user that is not there,
// conflict for one that has rejoined since.
func (s *reader) present(ctx context.Context, r Request, p message.Presence) (*control.Session, *control.User, error) {
	sess, err := s.active(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	user := sess.User(p.User)
	switch {
	case user == nil:
		return nil, nil, errUserNotFound
	case user.Join != p.Join:
		return nil, nil, errReplacedJoin
	default:
		return sess, user, nil
	}
}

// inEpoch is present for a request of a connection. Errors: also stale_epoch.
func (s *reader) inEpoch(
	ctx context.Context, r Request, p message.Presence, epoch int64,
) (*control.Session, *control.User, error) {
	sess, user, err := s.present(ctx, r, p)
	if err == nil && sess.Epoch != epoch {
		return nil, nil, errStaleEpoch
	}
	return sess, user, err
}

// audit appends what was done to the audit. Its id is made of the request's, so that a repetition adds nothing.
func (s *reader) audit(ctx context.Context, r Request, actor, action, object, reason string) error {
	if actor == "" {
		actor = "wrapper:" + s.cfg.Replica
	}
	return s.store.Audit.Append(ctx, control.AuditEntry{
		ID: r.ID + "." + action, Time: time.Now().UTC(), Actor: actor, Action: action, Object: object, Reason: reason,
		Result: "ok",
	})
}
