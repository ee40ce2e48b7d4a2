package session

import (
	"context"
	"errors"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// SetSubscriptions chooses what the user receives. Of two requests the one with the later id counts, in whatever order
// they are handled.
func (s *subscribing) SetSubscriptions(ctx context.Context, r Request, b message.SetSubscriptions) error {
	return s.failed(ctx, r, b.Presence, s.setSubscriptions(ctx, r, b))
}

func (s *subscribing) setSubscriptions(ctx context.Context, r Request, b message.SetSubscriptions) error {
	err := s.store.Sessions.SetSubscriptions(ctx, r.Session, b.User, b.Join, b.Subscriptions, r.ID)
	if err != nil && !errors.Is(err, store.ErrGuard) {
		return err
	}
	// Whoever applies last must apply the latest: what is stored is looked at again after it was applied.
	for range guardTries {
		sess, user, err := s.present(ctx, r, b.Presence)
		if err != nil {
			return err
		}
		conn := connectionOf(sess, user, control.Subscribe)
		if conn == nil || conn.Endpoint.ID == "" {
			return nil // the endpoint is made with them
		}
		media, err := s.fleet.Media(ctx, sess.Pipeline.Server)
		if err != nil {
			return err
		}
		wanted := mediaapi.SetSubscriptions{Subscriptions: user.Subscriptions, By: user.SubscribedBy}
		if err := media.SetSubscriptions(ctx, conn.Endpoint.ID, wanted); err != nil {
			return s.mediaError(ctx, live{sess: sess, user: user, conn: *conn, media: media}, err)
		}
		_, after, err := s.present(ctx, r, b.Presence)
		if err != nil || after.SubscribedBy == user.SubscribedBy {
			return err
		}
	}
	return errBusy
}
