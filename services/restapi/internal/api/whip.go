package api

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// whip are the operations of WHIP (RFC 9725). A media session is one presence of a user: its id is the JoinID. So a
// client that dials again replaces what it had, as a rejoin does.
type whip struct{ *users }

type whipInput struct {
	SessionPath
	User    string `query:"user" doc:"The user to publish as; else the one of the token or stream key, else a new one."`
	Name    string `query:"name" maxLength:"256" doc:"Name of a user that is not there yet."`
	RawBody []byte `contentType:"application/sdp"`
}

// begin joins and publishes.
func (w *whip) begin(ctx context.Context, in *whipInput) (*begunOutput, error) {
	offer := string(in.RawBody)
	if err := checkSDP(offer); err != nil {
		return nil, err
	}
	id, err := w.publisher(ctx, in)
	if err != nil {
		return nil, err
	}
	joined, err := w.requestJoin(ctx, in.Session, id, func(present *control.User) message.Join {
		join := message.Join{
			User: id, Protocol: control.ProtocolWHIP, Name: in.Name, Metadata: "{}",
			Permissions: control.Permissions{Publish: true},
		}
		if present != nil {
			join.Replaces, join.KeepProfile = present.Join, true
		}
		return join
	})
	if err != nil {
		return nil, err
	}
	answered, err := w.firstOffer(ctx, in.Session, joined, offer)
	if err != nil {
		return nil, errors.Join(err, w.giveUp(ctx, in.Session, joined.User, err))
	}
	location := "/v1/sessions/" + string(in.Session) + "/whip/" + string(joined.User.Join)
	return w.begun(location, answered.Epoch, answered.Seq, answered.SDP), nil
}

// firstOffer offers under the epoch of the join, or under a newer one if there is by now: its client knows of none.
func (w *whip) firstOffer(
	ctx context.Context, id control.SessionID, joined message.Joined, sdp string,
) (answered message.Answered, err error) {
	epoch := joined.Epoch
	for range joinTries {
		answered, err = w.offer(ctx, id, joined.User, epoch, 1, sdp)
		if control.CodeOf(err) != control.CodeStaleEpoch {
			return answered, err
		}
		session, err := w.session(ctx, id)
		if err != nil {
			return answered, err
		}
		epoch = session.Epoch
	}
	return answered, &control.Error{
		Code: control.CodeUnavailable, Detail: "the session is moving on", RetryAfter: time.Second, Err: err,
	}
}

// publisher is the user to publish as. Errors: forbidden for one that the caller may not be, or that may not publish.
func (w *whip) publisher(ctx context.Context, in *whipInput) (control.UserID, error) {
	caller := callOf(ctx).principal
	id := control.UserID(in.User)
	switch {
	case caller.User != "" && id != "" && id != caller.User:
		return "", control.Errorf(control.CodeForbidden, "user: these credentials are another user's")
	case caller.User != "":
		id = caller.User
	case id == "":
		id = control.UserID(requestID(ctx))
	}
	if err := control.CheckName("user", string(id)); err != nil {
		return "", err
	}
	session, err := w.session(ctx, in.Session)
	if err != nil {
		return "", err
	}
	if user := session.User(id); user != nil && !user.Permissions.Publish {
		return "", control.Errorf(control.CodeForbidden, "the user may not publish")
	}
	return id, nil
}

// offer has an offer of the user answered.
func (w *whip) offer(
	ctx context.Context, session control.SessionID, user control.User, epoch, seq int64, sdp string,
) (answered message.Answered, err error) {
	err = w.Store.Negotiations.Accept(ctx, store.Offer{
		Session: session, User: user.ID, Join: user.Join, Epoch: epoch, Seq: seq, SDP: sdp,
	}, w.Now())
	if errors.Is(err, store.ErrGuard) {
		return answered, control.Errorf(control.CodeConflict, "another offer of this user was faster")
	}
	if err != nil {
		return answered, err
	}
	r := newRequest(ctx, message.TypePublish, session, user.ID, message.Publish{
		Presence: presence(&user), Epoch: epoch, Seq: seq, SDP: sdp,
	})
	// Not the call's, under which the user joined: that may be answered a second time while this waits. It sorts alike.
	r.ID += "." + message.TypePublish
	raw, err := w.doInSession(ctx, r)
	if err != nil {
		return answered, err
	}
	return resultOf[message.Answered](raw)
}

// giveUp takes the user out again if its offer was refused for good; whom it cannot take out is found by its silence.
func (w *whip) giveUp(ctx context.Context, session control.SessionID, user control.User, refusal error) error {
	if control.CodeOf(refusal) != control.CodeInvalid || user.Protocol != control.ProtocolWHIP {
		return nil
	}
	return w.send(ctx, newRequest(ctx, message.TypeLeave, session, user.ID, message.Leave{
		Presence: presence(&user), Reason: "left", Actor: callOf(ctx).principal.Actor(),
	}))
}

// find reads the user of a media session. Errors: not_found, forbidden for another user's.
func (w *whip) find(ctx context.Context, path MediaSessionPath) (*control.Session, *control.User, error) {
	session, err := w.session(ctx, path.Session)
	if err != nil {
		return nil, nil, err
	}
	at := slices.IndexFunc(session.Users, func(u control.User) bool { return string(u.Join) == path.ID })
	if at < 0 {
		return nil, nil, noMediaSession()
	}
	user := &session.Users[at]
	if caller := callOf(ctx).principal; caller.User != "" && caller.User != user.ID {
		return nil, nil, control.Errorf(control.CodeForbidden, "the media session is another user's")
	}
	return session, user, nil
}

func (w *whip) update(ctx context.Context, in *patchInput) (*patchOutput, error) {
	session, user, err := w.find(ctx, in.MediaSessionPath)
	if err != nil {
		return nil, err
	}
	n, err := w.negotiated(ctx, session, user.ID, user.Join, control.Publish)
	if err != nil {
		return nil, err
	}
	return w.patch(ctx, in, iceSession{
		session: session.ID, negotiation: n,
		offer: func(ctx context.Context, seq int64, sdp string) (message.Answered, error) {
			return w.offer(ctx, session.ID, *user, n.Epoch, seq, sdp)
		},
	})
}

// end takes out a user that WHIP brought in, and else only ends what it publishes.
func (w *whip) end(ctx context.Context, in *MediaSessionPath) (*struct{}, error) {
	session, user, err := w.find(ctx, *in)
	if err != nil {
		return nil, err
	}
	if user.Protocol != control.ProtocolWHIP {
		return (&connections{w.core}).unpublish(ctx, &UserPath{SessionPath: in.SessionPath, User: user.ID})
	}
	_, err = w.doInSession(ctx, newRequest(ctx, message.TypeLeave, session.ID, user.ID, message.Leave{
		Presence: presence(user), Reason: "left", Actor: callOf(ctx).principal.Actor(),
	}))
	return nil, err
}
