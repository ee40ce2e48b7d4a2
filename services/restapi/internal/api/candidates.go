package api

import (
	"context"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
)

// Candidates is what POST .../candidates takes.
type Candidates struct {
	Epoch      int64       `json:"epoch" minimum:"0"`
	Candidates []Candidate `json:"candidates,omitempty" nullable:"false" maxItems:"64"`
	End        bool        `json:"end,omitempty" doc:"These are the last."`
}

// Candidate is a candidate as a browser writes it (W3C WebRTC 1.0, RTCIceCandidateInit).
type Candidate struct {
	Candidate        string  `json:"candidate"`
	SDPMid           *string `json:"sdpMid,omitempty" nullable:"true" maxLength:"256"`
	SDPMLineIndex    *uint16 `json:"sdpMLineIndex,omitempty" nullable:"true" maximum:"65535"`
	UsernameFragment *string `json:"usernameFragment,omitempty" nullable:"true" maxLength:"256"`
}

type candidatesInput struct {
	UserPath
	Body Candidates
}

func (c *connections) publishCandidates(ctx context.Context, in *candidatesInput) (*struct{}, error) {
	user, err := c.userAt(ctx, in.UserPath, in.Body.Epoch)
	if err == nil && !user.Permissions.Publish {
		err = control.Errorf(control.CodeForbidden, "the user may not publish")
	}
	if err != nil {
		return nil, err
	}
	return nil, c.addCandidates(ctx, in, user, control.Publish)
}

func (c *connections) subscribeCandidates(ctx context.Context, in *candidatesInput) (*struct{}, error) {
	user, err := c.subscriber(ctx, in.UserPath, in.Body.Epoch)
	if err != nil {
		return nil, err
	}
	return nil, c.addCandidates(ctx, in, user, control.Subscribe)
}

func (c *connections) addCandidates(
	ctx context.Context, in *candidatesInput, user *control.User, kind control.ConnectionKind,
) error {
	candidates := make([]control.Candidate, len(in.Body.Candidates))
	for i, candidate := range in.Body.Candidates {
		if err := checkCandidate(candidate.Candidate); err != nil {
			return err
		}
		candidates[i] = control.Candidate(candidate)
	}
	return c.send(ctx, newRequest(ctx, message.TypeAddCandidates, in.Session, in.User, message.AddCandidates{
		Presence: presence(user), Kind: kind, Epoch: in.Body.Epoch, Candidates: candidates, End: in.Body.End,
	}))
}
