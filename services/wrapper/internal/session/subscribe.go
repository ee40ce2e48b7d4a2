package session

import (
	"context"
	"errors"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// SubscribeAnswer passes the client's answer to the server's offer on. Errors: stale_epoch, invalid.
func (s *subscribing) SubscribeAnswer(ctx context.Context, r Request, b message.SubscribeAnswer) error {
	return s.failed(ctx, r, b.Presence, s.subscribeAnswer(ctx, r, b))
}

func (s *subscribing) subscribeAnswer(ctx context.Context, r Request, b message.SubscribeAnswer) error {
	sess, user, err := s.inEpoch(ctx, r, b.Presence, b.Epoch)
	if err != nil {
		return err
	}
	conn := connectionOf(sess, user, control.Subscribe)
	if conn == nil || conn.Endpoint.ID == "" {
		return control.Errorf(control.CodeConflict, "there is no offer %d to answer", b.Seq)
	}
	media, err := s.fleet.Media(ctx, sess.Pipeline.Server)
	if err != nil {
		return err
	}
	err = media.ProcessAnswer(ctx, conn.Endpoint.ID, mediaapi.ProcessAnswer{Answer: b.SDP, Seq: b.Seq})
	if err != nil {
		return s.mediaError(ctx, live{sess: sess, user: user, conn: *conn, media: media}, err)
	}
	err = s.store.Negotiations.SetAnswered(ctx, r.Session, *conn, b.Seq, time.Now().UTC())
	if errors.Is(err, store.ErrGuard) {
		return nil
	}
	return err
}

// RequestOffer has the media server make an offer, which comes as a media event. Errors: forbidden, stale_epoch.
func (s *subscribing) RequestOffer(ctx context.Context, r Request, b message.RequestOffer) error {
	return s.failed(ctx, r, b.Presence, s.requestOffer(ctx, r, b))
}

func (s *subscribing) requestOffer(ctx context.Context, r Request, b message.RequestOffer) error {
	l, err := s.ensureEndpoint(ctx, r, b.Presence, control.Subscribe, b.Epoch)
	if err != nil {
		return err
	}
	if !l.user.Permissions.Subscribe {
		return control.Errorf(control.CodeForbidden, "the user may not subscribe")
	}
	offer := mediaapi.RequestOffer{Fresh: b.Fresh, ICERestart: b.ICERestart, By: r.ID}
	return s.lastWord(ctx, r, l, s.store.Sessions.SetOfferRequested, func(l live) error {
		return l.media.RequestOffer(ctx, l.conn.Endpoint.ID, offer)
	})
}

// Unsubscribe stops sending to the user until it asks for an offer. Errors: stale join only; nothing to stop is none.
func (s *subscribing) Unsubscribe(ctx context.Context, r Request, b message.Presence) error {
	sess, user, err := s.present(ctx, r, b)
	if err != nil {
		return err
	}
	conn := connectionOf(sess, user, control.Subscribe)
	if conn == nil || conn.Endpoint.ID == "" {
		return nil
	}
	media, err := s.fleet.Media(ctx, sess.Pipeline.Server)
	if err != nil {
		return err
	}
	l := live{sess: sess, user: user, conn: *conn, media: media}
	return s.lastWord(ctx, r, l, s.store.Sessions.SetStopRequested, func(l live) error {
		return l.media.Stop(ctx, l.conn.Endpoint.ID, mediaapi.Stop{By: r.ID})
	})
}

// word stores that a request is the last one about a connection.
type word func(ctx context.Context, id control.SessionID, c control.Connection, by string) error

// lastWord applies a request to offer or to stop, of which only the latest by id counts whatever the order they are
// handled in: the request is stored, applied, and then the store is looked at again. If a later one came in between,
// that one may have been applied before ours, so what it wants is applied once more.
func (s *subscribing) lastWord(
	ctx context.Context, r Request, l live, say word, apply func(live) error,
) error {
	err := say(ctx, r.Session, l.conn, r.ID)
	if err != nil && !errors.Is(err, store.ErrGuard) {
		return err
	}
	p := message.Presence{User: l.user.ID, Join: l.user.Join}
	for range guardTries {
		now, err := s.latest(ctx, r, p, l)
		if err != nil {
			return err
		}
		if now.conn.RequestedBy != r.ID {
			apply = otherWord(ctx)
		}
		if err := apply(now); err != nil {
			return s.mediaError(ctx, now, err)
		}
		after, err := s.latest(ctx, r, p, now)
		if err != nil || after.conn.RequestedBy == now.conn.RequestedBy {
			return err
		}
	}
	return errBusy
}

// latest reads the connection of l anew.
func (s *subscribing) latest(ctx context.Context, r Request, p message.Presence, l live) (live, error) {
	sess, user, err := s.inEpoch(ctx, r, p, l.conn.Epoch)
	if err != nil {
		return live{}, err
	}
	conn := connectionOf(sess, user, l.conn.Kind)
	if conn == nil {
		return live{}, errBusy
	}
	return live{sess: sess, user: user, conn: *conn, media: l.media}, nil
}

// otherWord applies what another request wanted, as far as the connection tells.
func otherWord(ctx context.Context) func(live) error {
	return func(l live) error {
		if l.conn.State == control.ConnectionClosed {
			return l.media.Stop(ctx, l.conn.Endpoint.ID, mediaapi.Stop{By: l.conn.RequestedBy})
		}
		return l.media.RequestOffer(ctx, l.conn.Endpoint.ID, mediaapi.RequestOffer{By: l.conn.RequestedBy})
	}
}
