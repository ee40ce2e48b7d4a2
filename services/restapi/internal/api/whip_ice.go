package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/services/restapi/internal/problem"
	"github.com/orkestro/orkestro/services/restapi/internal/sdpfrag"
)

// iceSession is the ICE side of a media session.
type iceSession struct {
	session     control.SessionID
	negotiation *control.Negotiation
	// offer has a whole offer answered. The same seq with the same offer gets the same answer.
	offer func(ctx context.Context, seq int64, sdp string) (message.Answered, error)
}

// negotiated reads what is negotiated on a connection of a media session: not_found when it is over, as it is when its
// media server is lost. Its client begins anew then.
func (c *core) negotiated(
	ctx context.Context, session *control.Session, user control.UserID, join control.JoinID, kind control.ConnectionKind,
) (*control.Negotiation, error) {
	n, err := c.Store.Negotiations.Get(ctx, control.NegotiationID(session.ID, user, kind))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, noMediaSession()
	case err != nil:
		return nil, err
	case n.Join != join, n.Epoch != session.Epoch, n.Offer == "":
		return nil, noMediaSession()
	default:
		return n, nil
	}
}

func noMediaSession() error {
	return control.Errorf(control.CodeNotFound, "there is no such media session, or it is over")
}

// patch takes candidates, or restarts ICE if the fragment has other credentials than the offer (RFC 9725 section 4.3).
func (c *core) patch(ctx context.Context, in *patchInput, ice iceSession) (*patchOutput, error) {
	current := etag(ice.negotiation.Epoch, answeredSeq(ice.negotiation))
	if in.IfMatch == "" {
		return nil, problem.Precondition(true, "If-Match: the ETag, or * to restart ICE, is needed")
	}
	if in.IfMatch != "*" && in.IfMatch != current {
		return nil, problem.Precondition(false, "If-Match: the ICE session is another one by now")
	}
	fragment, err := sdpfrag.Parse(string(in.RawBody))
	if err != nil {
		return nil, problem.Unreadable(err.Error())
	}
	for _, candidate := range fragment.Candidates {
		if err := checkCandidate(candidate.Candidate); err != nil {
			return nil, err
		}
	}
	known := sdpfrag.Ufrag(ice.negotiation.Offer)
	if fragment.Ufrag != "" && (in.IfMatch == "*" || fragment.Ufrag != known) {
		return c.restart(ctx, ice, fragment, fragment.Ufrag == known)
	}
	return &patchOutput{Status: http.StatusNoContent}, c.trickle(ctx, ice, fragment)
}

// answeredSeq is the last offer that was answered and not refused.
func answeredSeq(n *control.Negotiation) int64 {
	last := int64(0)
	for _, answer := range n.Answers {
		if answer.Code == "" {
			last = max(last, answer.Seq)
		}
	}
	if last == 0 {
		return n.Seq
	}
	return last
}

func (c *core) trickle(ctx context.Context, ice iceSession, f sdpfrag.Fragment) error {
	n := ice.negotiation
	return c.send(ctx, newRequest(ctx, message.TypeAddCandidates, ice.session, n.User, message.AddCandidates{
		Presence: message.Presence{User: n.User, Join: n.Join}, Kind: n.Kind, Epoch: n.Epoch,
		Candidates: f.Candidates, End: f.End,
	}))
}

// restart offers again with the new credentials; again says that the client repeats the restart that was the last.
func (c *core) restart(ctx context.Context, ice iceSession, f sdpfrag.Fragment, again bool) (*patchOutput, error) {
	seq, offer := ice.negotiation.Accepted, ice.negotiation.Offer
	if !again {
		var err error
		seq++
		if offer, err = sdpfrag.Restart(offer, f); err != nil {
			return nil, err
		}
	}
	answered, err := ice.offer(ctx, seq, offer)
	if err != nil {
		return nil, err
	}
	fragment, err := sdpfrag.Of(answered.SDP)
	if err != nil {
		return nil, err
	}
	return &patchOutput{
		Status: http.StatusOK, ContentType: sdpfrag.ContentType, ETag: etag(answered.Epoch, answered.Seq),
		Body: []byte(fragment),
	}, nil
}
