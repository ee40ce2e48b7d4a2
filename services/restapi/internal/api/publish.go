package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/services/restapi/internal/request"
)

// connections are the operations on a user's two WebRTC connections.
type connections struct{ *core }

// maxPreferWait is the longest wait that a caller may prefer (HTTP API contract).
const maxPreferWait = 10 * time.Second

// Description is an SDP with its place: what PUT .../publish and .../subscribe take.
type Description struct {
	SDP   string `json:"sdp"`
	Seq   int64  `json:"seq" minimum:"1"`
	Epoch int64  `json:"epoch" minimum:"0"`
}

type describeInput struct {
	UserPath
	Prefer string `header:"Prefer" doc:"wait=N: answer in the response, if it comes within N seconds (RFC 7240)."`
	Body   Description
}

type publishOutput struct {
	Status  int
	Applied string `header:"Preference-Applied"`
	Body    Published
}

// Published is the answer to an offer, without epoch and SDP while it is still being made.
type Published struct {
	Connection control.ConnectionKind `json:"connection"`
	Seq        int64                  `json:"seq"`
	Epoch      int64                  `json:"epoch,omitempty"`
	SDP        string                 `json:"sdp,omitempty"`
}

func (c *connections) publish(ctx context.Context, in *describeInput) (*publishOutput, error) {
	if err := checkSDP(in.Body.SDP); err != nil {
		return nil, err
	}
	user, err := c.accept(ctx, in)
	if err != nil {
		return nil, err
	}
	r := newRequest(ctx, message.TypePublish, in.Session, in.User, message.Publish{
		Presence: presence(user), Epoch: in.Body.Epoch, Seq: in.Body.Seq, SDP: in.Body.SDP,
	})
	wait := preferredWait(in.Prefer)
	if wait == 0 {
		return pending(in), c.send(ctx, r)
	}
	return c.publishAndWait(ctx, in, r, wait)
}

// accept counts the offer of a user who may make it, so that a skipped seq is told apart from a repeated one at once.
func (c *connections) accept(ctx context.Context, in *describeInput) (*control.User, error) {
	ctx, cancel := soon(ctx)
	defer cancel()
	user, err := c.userAt(ctx, in.UserPath, in.Body.Epoch)
	if err != nil {
		return nil, err
	}
	if !user.Permissions.Publish {
		return nil, control.Errorf(control.CodeForbidden, "the user may not publish")
	}
	err = c.Store.Negotiations.Accept(ctx, store.Offer{
		Session: in.Session, User: in.User, Join: user.Join, Epoch: in.Body.Epoch, Seq: in.Body.Seq,
	}, c.Now())
	if errors.Is(err, store.ErrGuard) {
		return nil, control.Errorf(control.CodeConflict, "seq: %d is not the next one", in.Body.Seq)
	}
	return user, err
}

func (c *connections) publishAndWait(
	ctx context.Context, in *describeInput, r request.Request, wait time.Duration,
) (*publishOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	raw, err := c.Requests.Do(ctx, message.SessionQueue(in.Session).Name, r)
	if errors.Is(err, request.ErrNoReply) {
		return pending(in), nil
	}
	if err != nil {
		return nil, err
	}
	result, err := resultOf[message.Answered](raw)
	if err != nil {
		return nil, err
	}
	return &publishOutput{
		Status: http.StatusOK, Applied: fmt.Sprintf("wait=%d", int(wait.Seconds())),
		Body: Published{Connection: control.Publish, Seq: result.Seq, Epoch: in.Body.Epoch, SDP: result.SDP},
	}, nil
}

func pending(in *describeInput) *publishOutput {
	return &publishOutput{
		Status: http.StatusAccepted, Body: Published{Connection: control.Publish, Seq: in.Body.Seq},
	}
}

// preferredWait is the wait of a Prefer header (RFC 7240 section 4.3), 0 without one. What cannot be read is ignored,
// as preferences are.
func preferredWait(prefer string) time.Duration {
	for preference := range strings.SplitSeq(prefer, ",") {
		preference, _, _ = strings.Cut(preference, ";")
		name, value, _ := strings.Cut(preference, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		seconds, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
		if err != nil {
			return 0
		}
		return min(time.Duration(seconds)*time.Second, maxPreferWait)
	}
	return 0
}

// unpublish makes every offer so far void; without one there is nothing to stop.
func (c *connections) unpublish(ctx context.Context, in *UserPath) (*struct{}, error) {
	_, user, err := c.user(ctx, *in)
	if err != nil {
		return nil, err
	}
	negotiation, err := c.Store.Negotiations.Get(ctx, control.NegotiationID(in.Session, in.User, control.Publish))
	if errors.Is(err, store.ErrNotFound) || (err == nil && negotiation.Join != user.Join) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return nil, c.send(ctx, newRequest(ctx, message.TypeUnpublish, in.Session, in.User, message.Unpublish{
		Presence: presence(user), Epoch: negotiation.Epoch, UpTo: negotiation.Accepted,
	}))
}
