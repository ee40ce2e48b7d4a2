package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/services/restapi/internal/request"
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

// NewPermissions are what a user may do; one that is not given is granted.
type NewPermissions struct {
	Publish   *bool `json:"publish,omitempty"`
	Subscribe *bool `json:"subscribe,omitempty"`
	Message   *bool `json:"message,omitempty"`
}

func (p *NewPermissions) permissions() control.Permissions {
	if p == nil {
		p = &NewPermissions{}
	}
	granted := func(b *bool) bool { return b == nil || *b }
	return control.Permissions{
		Publish: granted(p.Publish), Subscribe: granted(p.Subscribe), Message: granted(p.Message),
	}
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
	return u.enter(ctx, in.Session, ttl, message.Join{
		User: control.UserID(body.ID), Name: body.Name, Metadata: metadata,
		Permissions: body.Permissions.permissions(),
	})
}

// rejoin is for a client that has only its token: its profile stays as it is.
func (u *users) rejoin(ctx context.Context, in *emptyInput) (*joinOutput, error) {
	if _, _, err := u.user(ctx, in.UserPath); err != nil {
		return nil, err
	}
	return u.enter(ctx, in.Session, u.Settings.TokenTTL, message.Join{User: in.User, KeepProfile: true})
}

// enter brings a user in, or in again, and gives it a token.
func (u *users) enter(
	ctx context.Context, session control.SessionID, ttl time.Duration, join message.Join,
) (*joinOutput, error) {
	joined, err := u.requestJoin(ctx, session, join)
	if err != nil {
		return nil, err
	}
	token, expires, err := u.Tokens.Issue(session, join.User, ttl)
	if err != nil {
		return nil, err
	}
	out := &joinOutput{
		Status:   http.StatusCreated,
		Location: "/v1/sessions/" + string(session) + "/users/" + string(join.User),
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
	ctx context.Context, id control.SessionID, join message.Join,
) (joined message.Joined, err error) {
	ctx, cancel := context.WithTimeout(ctx, replyTimeout)
	defer cancel()
	for range joinTries {
		if join.Replaces, err = u.presentJoin(ctx, id, join); err != nil {
			return joined, err
		}
		// The queue is there before the user is, so that nothing that is sent to it finds no queue.
		if err := u.Broker.DeclareQueue(ctx, message.UserQueue(id, join.User)); err != nil {
			return joined, request.Unavailable(fmt.Sprintf("make the queue of user %s", join.User), err)
		}
		raw, err := u.doInSession(ctx, newRequest(ctx, message.TypeJoin, id, join.User, join))
		if err == nil {
			return resultOf[message.Joined](raw)
		}
		now, readErr := u.presentJoin(ctx, id, join)
		if control.CodeOf(err) != control.CodeConflict || readErr != nil || now == join.Replaces {
			return joined, err
		}
	}
	return joined, control.Errorf(control.CodeConflict, "user %q is joining elsewhere at the same time", join.User)
}

// presentJoin is the join that a user is in the session by, "" if it is not, or if it is by this very request.
func (u *users) presentJoin(
	ctx context.Context, id control.SessionID, join message.Join,
) (control.JoinID, error) {
	session, err := u.session(ctx, id)
	if err != nil {
		return "", err
	}
	user := session.User(join.User)
	if user == nil || string(user.Join) == requestID(ctx) {
		return "", nil
	}
	return user.Join, nil
}
