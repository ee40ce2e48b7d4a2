package api

import (
	"context"
	"net/http"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
)

// joinTries bounds joining again when somebody else joined under the same id at the same moment.
const joinTries = 3

// NewUser is what POST .../users takes.
type NewUser struct {
	ID          string          `json:"id,omitempty" minLength:"1" doc:"Else a UUIDv7. That of a user: a rejoin."`
	Name        string          `json:"name,omitempty" maxLength:"256"`
	Metadata    object          `json:"metadata,omitempty" doc:"The application's own, at most 4 KiB."`
	TokenTTL    string          `json:"tokenTTL,omitempty" minLength:"1" doc:"How long the token lives, 30s to 24h."`
	Permissions *NewPermissions `json:"permissions,omitempty" doc:"All, if they are not given."`
}

// join is what is asked of a Wrapper for it. What a rejoin does not name stays as it is with the user present.
func (n *NewUser) join(metadata control.Metadata, present *control.User) message.Join {
	join := message.Join{
		User: control.UserID(n.ID), Name: n.Name, Metadata: metadata,
		Permissions: control.Permissions{Publish: true, Subscribe: true, Message: true},
	}
	if present != nil {
		join.Replaces, join.Permissions = present.Join, present.Permissions
		if n.Name == "" {
			join.Name = present.Name
		}
		if n.Metadata == nil {
			join.Metadata = present.Metadata
		}
	}
	n.Permissions.change(&join.Permissions)
	return join
}

// NewPermissions are what a user may do; one that is not given is granted, or stays as it was in a rejoin.
type NewPermissions struct {
	Publish   *bool `json:"publish,omitempty"`
	Subscribe *bool `json:"subscribe,omitempty"`
	Message   *bool `json:"message,omitempty"`
}

func (p *NewPermissions) change(permissions *control.Permissions) {
	if p == nil {
		return
	}
	set := func(permission, given *bool) {
		if given != nil {
			*permission = *given
		}
	}
	set(&permissions.Publish, p.Publish)
	set(&permissions.Subscribe, p.Subscribe)
	set(&permissions.Message, p.Message)
}

type joinInput struct {
	SessionPath
	Body NewUser
}

// Joined is what a join or rejoin returns.
type Joined struct {
	User       message.User        `json:"user"`
	Token      string              `json:"token"`
	ExpiresAt  message.Time        `json:"expiresAt"`
	ICEServers []control.ICEServer `json:"iceServers" nullable:"false"`
	Epoch      int64               `json:"epoch"`
}

type joinOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     Joined
}

func (u *users) join(ctx context.Context, in *joinInput) (*joinOutput, error) {
	body := in.Body
	if body.ID == "" {
		body.ID = requestID(ctx)
	}
	if err := control.CheckName("id", body.ID); err != nil {
		return nil, err
	}
	metadata, err := metadataOf(body.Metadata)
	if err != nil {
		return nil, err
	}
	ttl, err := durationOf("tokenTTL", body.TokenTTL, u.Settings.TokenTTL, minTokenTTL, maxTokenTTL)
	if err != nil {
		return nil, err
	}
	id := control.UserID(body.ID)
	return u.enter(ctx, in.Session, id, ttl, func(present *control.User) message.Join {
		return body.join(metadata, present)
	})
}

// rejoin is for a client that has only its token: its profile stays as it is.
func (u *users) rejoin(ctx context.Context, in *emptyInput) (*joinOutput, error) {
	if _, _, err := u.user(ctx, in.UserPath); err != nil {
		return nil, err
	}
	return u.enter(ctx, in.Session, in.User, u.Settings.TokenTTL, func(present *control.User) message.Join {
		join := message.Join{User: in.User, KeepProfile: true}
		if present != nil {
			join.Replaces, join.Protocol = present.Join, present.Protocol
		}
		return join
	})
}

// enter brings a user in, or in again, and gives it a token. join is asked with the user as it is there, or nil.
func (u *users) enter(
	ctx context.Context, session control.SessionID, id control.UserID, ttl time.Duration,
	join func(present *control.User) message.Join,
) (*joinOutput, error) {
	joined, err := u.requestJoin(ctx, session, id, join)
	if err != nil {
		return nil, err
	}
	token, expires, err := u.Tokens.Issue(session, id, ttl)
	if err != nil {
		return nil, err
	}
	out := &joinOutput{
		Status:   http.StatusCreated,
		Location: "/v1/sessions/" + string(session) + "/users/" + string(id),
		Body: Joined{
			User: message.NewUser(joined.User), Token: token, ExpiresAt: message.Time(expires),
			ICEServers: u.Settings.ICEServers, Epoch: joined.Epoch,
		},
	}
	if joined.Rejoined {
		out.Status = http.StatusOK
	}
	return out, nil
}

// requestJoin asks until nobody else joined under the same id in between.
func (u *users) requestJoin(
	ctx context.Context, id control.SessionID, user control.UserID, join func(present *control.User) message.Join,
) (joined message.Joined, err error) {
	began := time.Now()
	defer func() { u.metrics.joined(began, err) }()
	ctx, cancel := context.WithTimeout(ctx, replyTimeout)
	defer cancel()
	present, err := u.present(ctx, id, user)
	for range joinTries {
		if err != nil {
			return joined, err
		}
		asked := join(present)
		raw, refused := u.doInSession(ctx, newRequest(ctx, message.TypeJoin, id, user, asked))
		if refused == nil {
			return resultOf[message.Joined](raw)
		}
		present, err = u.present(ctx, id, user)
		changed := err == nil && join(present).Replaces != asked.Replaces
		if control.CodeOf(refused) != control.CodeConflict || !changed {
			return joined, refused
		}
	}
	return joined, control.Errorf(control.CodeConflict, "user %q is joining elsewhere at the same time", user)
}

// present is a user as it is in the session, nil if it is not there, or if it is by this very request.
func (u *users) present(
	ctx context.Context, id control.SessionID, user control.UserID,
) (*control.User, error) {
	session, err := u.session(ctx, id)
	if err != nil {
		return nil, err
	}
	found := session.User(user)
	if found == nil || string(found.Join) == requestID(ctx) {
		return nil, nil //nolint:nilnil // not being there is no error
	}
	return found, nil
}
