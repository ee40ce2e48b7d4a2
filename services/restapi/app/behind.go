package app

import (
	"context"
	"errors"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/services/restapi/internal/request"
)

// syncBehind asks for a sync for each of these users, who are reading, that lost messages while its queue was full. It
// is asked for again until the mark is gone: the queue may still be full. That it cannot be asked for in one session is
// nothing to the others.
func (r *replica) syncBehind(ctx context.Context, reading []store.UserKey) error {
	behind, err := r.store.Presence.Behind(ctx, reading)
	errs := []error{err}
	for _, key := range behind {
		errs = append(errs, r.askForSync(ctx, key))
	}
	return errors.Join(errs...)
}

func (r *replica) askForSync(ctx context.Context, key store.UserKey) error {
	session, err := r.store.Sessions.Get(ctx, key.Session)
	if err != nil {
		return err
	}
	user := session.User(key.User)
	if user == nil || session.State != control.SessionActive {
		return nil // its mark goes with it
	}
	return r.requests.Send(ctx, message.SessionQueue(key.Session).Name, request.Request{
		ID: control.NewID(), Type: message.TypeSync, Session: key.Session, User: key.User,
		Body: message.Presence{User: user.ID, Join: user.Join},
	})
}
