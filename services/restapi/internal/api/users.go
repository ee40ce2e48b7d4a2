package api

import (
	"context"
	"slices"
	"strings"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
)

// users are the operations on the users of a session.
type users struct{ *core }

type listUsersInput struct {
	SessionPath
	PageQuery
}

// list is by id, so that a page does not depend on who comes and goes meanwhile.
func (u *users) list(ctx context.Context, in *listUsersInput) (*listOutput[message.User], error) {
	after, err := in.after()
	if err != nil {
		return nil, err
	}
	session, err := u.session(ctx, in.Session)
	if err != nil {
		return nil, err
	}
	found := slices.DeleteFunc(message.NewUsers(session.Users), func(user message.User) bool {
		return string(user.ID) <= after
	})
	slices.SortFunc(found, func(a, b message.User) int { return strings.Compare(string(a.ID), string(b.ID)) })
	if len(found) > in.Limit+1 {
		found = found[:in.Limit+1]
	}
	return pageOf(found, in.Limit, func(user message.User) string { return string(user.ID) }), nil
}

type userOutput struct{ Body message.User }

func (u *users) get(ctx context.Context, in *UserPath) (*userOutput, error) {
	_, user, err := u.user(ctx, *in)
	if err != nil {
		return nil, err
	}
	return &userOutput{Body: message.NewUser(*user)}, nil
}

func (u *users) leave(ctx context.Context, in *UserPath) (*struct{}, error) {
	_, user, err := u.user(ctx, *in)
	if err != nil {
		return nil, err
	}
	caller := callOf(ctx).principal
	leave := message.Leave{
		Presence: presence(user), Reason: "removed", Actor: caller.Actor(),
	}
	if caller.IsUser() {
		leave.Reason = "left"
	}
	_, err = u.doInSession(ctx, newRequest(ctx, message.TypeLeave, in.Session, in.User, leave))
	return nil, err
}

type tokenOutput struct {
	Body Token
}

// Token is a user token and when it ends.
type Token struct {
	Token     string       `json:"token"`
	ExpiresAt message.Time `json:"expiresAt"`
}

// Nothing is the body of a call that takes none.
type Nothing struct{}

type emptyInput struct {
	UserPath
	Body *Nothing
}

func (u *users) renew(ctx context.Context, in *emptyInput) (*tokenOutput, error) {
	if _, _, err := u.user(ctx, in.UserPath); err != nil {
		return nil, err
	}
	token, expires, err := u.Tokens.Issue(in.Session, in.User, u.Settings.TokenTTL)
	if err != nil {
		return nil, err
	}
	return &tokenOutput{Body: Token{Token: token, ExpiresAt: message.Time(expires)}}, nil
}

// presence names a user as requests do.
func presence(user *control.User) message.Presence {
	return message.Presence{User: user.ID, Join: user.Join}
}
