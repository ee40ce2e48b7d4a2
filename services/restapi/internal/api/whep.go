package api

import (
	"context"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
)

// whep are the operations of WHEP (draft-ietf-wish-whep): a viewer is no user, and watches one publisher.
type whep struct{ *core }

type whepInput struct {
	SessionPath
	User    string `query:"user" maxLength:"64" doc:"Watch what this user publishes, now and later."`
	Stream  string `query:"stream" maxLength:"32" doc:"Watch this stream. With neither: the first one with a picture."`
	RawBody []byte `contentType:"application/sdp"`
}

// begin watches. What is to be watched need not be there yet.
func (w *whep) begin(ctx context.Context, in *whepInput) (*begunOutput, error) {
	offer := string(in.RawBody)
	if err := checkSDP(offer); err != nil {
		return nil, err
	}
	session, err := w.session(ctx, in.Session)
	if err != nil {
		return nil, err
	}
	if caller := callOf(ctx).principal; caller.IsUser() && !session.User(caller.User).Permissions.Subscribe {
		return nil, control.Errorf(control.CodeForbidden, "the user may not subscribe")
	}
	viewer := control.UserID(requestID(ctx))
	answered, err := w.offer(ctx, in.Session, message.View{
		Viewer: viewer, Of: control.ViewOf{User: control.UserID(in.User), Stream: control.StreamID(in.Stream)},
		Seq: 1, SDP: offer,
	})
	if err != nil {
		return nil, err
	}
	location := "/v1/sessions/" + string(in.Session) + "/whep/" + string(viewer)
	return w.begun(location, answered.Epoch, answered.Seq, answered.SDP), nil
}

func (w *whep) offer(
	ctx context.Context, session control.SessionID, view message.View,
) (answered message.Answered, err error) {
	raw, err := w.doInSession(ctx, newRequest(ctx, message.TypeView, session, view.Viewer, view))
	if err != nil {
		return answered, err
	}
	return resultOf[message.Answered](raw)
}

func (w *whep) update(ctx context.Context, in *patchInput) (*patchOutput, error) {
	n, err := w.find(ctx, in.MediaSessionPath)
	if err != nil {
		return nil, err
	}
	return w.patch(ctx, in, iceSession{
		session: in.Session, negotiation: n,
		offer: func(ctx context.Context, seq int64, sdp string) (message.Answered, error) {
			return w.offer(ctx, in.Session, message.View{Viewer: n.User, Epoch: n.Epoch, Seq: seq, SDP: sdp})
		},
	})
}

// find reads what is known of a viewer. Its id is a secret of its own: nobody else is told of it.
func (w *whep) find(ctx context.Context, path MediaSessionPath) (*control.Negotiation, error) {
	session, err := w.session(ctx, path.Session)
	if err != nil {
		return nil, err
	}
	return w.negotiated(ctx, session, control.UserID(path.ID), control.JoinID(path.ID), control.View)
}

func (w *whep) end(ctx context.Context, in *MediaSessionPath) (*struct{}, error) {
	n, err := w.find(ctx, *in)
	if err != nil {
		return nil, err
	}
	_, err = w.doInSession(ctx, newRequest(ctx, message.TypeEndView, in.Session, n.User, message.EndView{Viewer: n.User}))
	return nil, err
}
