package api

import (
	"context"
	"errors"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
)

// SessionPath is the path of a session.
type SessionPath struct {
	Session control.SessionID `path:"sid" doc:"Id of the session."`
}

// UserPath is the path of a user.
type UserPath struct {
	SessionPath
	User control.UserID `path:"uid" doc:"Id of the user in its session."`
}

// known reads a session that exists, in whatever state: not_found for one that never was or is forgotten.
func (c *core) known(ctx context.Context, id control.SessionID) (*control.Session, error) {
	missing := control.Errorf(control.CodeNotFound, "there is no session %q", id)
	if control.CheckName("id", string(id)) != nil {
		return nil, missing
	}
	session, err := c.Store.Sessions.Get(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, missing
	case err != nil:
		return nil, err
	case session.ExpireAt != nil && !session.ExpireAt.After(c.Now()):
		return nil, missing
	default:
		return session, nil
	}
}

// session reads a session for a caller: gone for one that is closed or closing, not_found for a user that is not (any
// more) in it.
func (c *core) session(ctx context.Context, id control.SessionID) (*control.Session, error) {
	session, err := c.known(ctx, id)
	if err != nil {
		return nil, err
	}
	if session.State != control.SessionActive {
		return nil, control.Errorf(control.CodeGone, "session %q is closed", id)
	}
	if caller := callOf(ctx).principal; caller.IsUser() && session.User(caller.User) == nil {
		return nil, noUser(caller.User)
	}
	return session, nil
}

// user reads a session and one user that is in it.
func (c *core) user(ctx context.Context, path UserPath) (*control.Session, *control.User, error) {
	session, err := c.session(ctx, path.Session)
	if err != nil {
		return nil, nil, err
	}
	user := session.User(path.User)
	if user == nil {
		return nil, nil, noUser(path.User)
	}
	return session, user, nil
}

// userAt is user for calls under an epoch: stale_epoch if it is not the session's.
func (c *core) userAt(ctx context.Context, path UserPath, epoch int64) (*control.User, error) {
	session, user, err := c.user(ctx, path)
	if err != nil {
		return nil, err
	}
	if epoch != session.Epoch || epoch == 0 {
		return nil, control.Errorf(control.CodeStaleEpoch, "epoch: the session is at %d", session.Epoch)
	}
	return user, nil
}

func noUser(id control.UserID) error {
	return control.Errorf(control.CodeNotFound, "there is no user %q in the session", id)
}
