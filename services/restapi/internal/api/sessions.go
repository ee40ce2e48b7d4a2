package api

import (
	"context"
	"fmt"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// sessions are the operations on sessions.
type sessions struct{ *core }

// Session is a session as callers see it.
type Session struct {
	ID        control.SessionID    `json:"id"`
	State     control.SessionState `json:"state" enum:"active,closing,closed"`
	CreatedAt message.Time         `json:"createdAt"`
	Epoch     int64                `json:"epoch" doc:"How many pipelines there have been."`
	Metadata  control.Metadata     `json:"metadata"`
	MaxUsers  int                  `json:"maxUsers" doc:"0: no limit."`
	Region    string               `json:"region" doc:"Empty: anywhere."`
	Users     int                  `json:"users" doc:"How many users are in it."`
	Pipeline  *control.PipelineRef `json:"pipeline" doc:"Where its media is, null before the first join."`

	Relocation *Relocation `json:"relocation,omitempty" doc:"While it is moved from another media server."`
}

// Relocation is the move of a session that goes on.
type Relocation struct {
	From  control.MediaServerID `json:"from" doc:"The media server that it leaves."`
	Since message.Time          `json:"since"`
	Until message.Time          `json:"until" doc:"When the old media ends in any case."`
}

// newSession is s as callers see it. A closed session's document still has who was in it at the end and where; both are
// gone.
func newSession(s control.Session) Session {
	if s.State == control.SessionClosed {
		s.Users, s.Pipeline, s.Relocation = nil, nil, nil
	}
	described := Session{
		ID: s.ID, State: s.State, CreatedAt: message.Time(s.CreatedAt), Epoch: s.Epoch, Metadata: s.Metadata,
		MaxUsers: s.MaxUsers, Region: s.Region, Users: len(s.Users), Pipeline: s.Pipeline,
	}
	if r := s.Relocation; r != nil {
		described.Relocation = &Relocation{
			From: r.From.Server, Since: message.Time(r.Since), Until: message.Time(r.Until),
		}
	}
	return described
}

// NewSession is what POST /v1/sessions takes.
type NewSession struct {
	ID           string `json:"id,omitempty" minLength:"1" doc:"Chosen by the caller, else a UUIDv7."`
	Metadata     object `json:"metadata,omitempty" doc:"The application's own, at most 4 KiB."`
	MaxUsers     int    `json:"maxUsers,omitempty" minimum:"0" maximum:"100000" doc:"0: no limit."`
	Region       string `json:"region,omitempty" maxLength:"64" doc:"Where the media should be."`
	EmptyTimeout string `json:"emptyTimeout,omitempty" minLength:"1" doc:"How long it stays when it is empty: 5m."`
}

type createInput struct{ Body NewSession }

type createOutput struct {
	Location string `header:"Location"`
	Body     Session
}

func (s *sessions) create(ctx context.Context, in *createInput) (*createOutput, error) {
	body, err := s.newSession(ctx, in.Body)
	if err != nil {
		return nil, err
	}
	raw, err := s.do(ctx, message.WrapperQueue, newRequest(ctx, message.TypeCreateSession, body.ID, "", body))
	if err != nil {
		return nil, err
	}
	created, err := resultOf[message.SessionCreated](raw)
	if err != nil {
		return nil, err
	}
	return &createOutput{Location: "/v1/sessions/" + string(created.Session.ID), Body: newSession(created.Session)}, nil
}

func (s *sessions) newSession(ctx context.Context, n NewSession) (message.CreateSession, error) {
	found := callOf(ctx)
	none := message.CreateSession{}
	if n.ID == "" {
		n.ID = found.id
	}
	if err := control.CheckName("id", n.ID); err != nil {
		return none, err
	}
	metadata, err := metadataOf(n.Metadata)
	if err != nil {
		return none, err
	}
	timeout, err := durationOf("emptyTimeout", n.EmptyTimeout, s.Settings.EmptyTimeout, time.Second, maxEmptyTimeout)
	if err != nil {
		return none, err
	}
	return message.CreateSession{
		ID: control.SessionID(n.ID), Metadata: metadata, MaxUsers: n.MaxUsers, Region: n.Region,
		EmptyTimeout: timeout, Actor: found.principal.Actor(),
	}, nil
}

type listSessionsInput struct {
	PageQuery
	State      string `query:"state" enum:"active,closing,closed" doc:"Without it, those that are not closed."`
	Server     string `query:"server" maxLength:"128" doc:"Only those with their pipeline on this media server."`
	Prefix     string `query:"prefix" maxLength:"64" pattern:"^[A-Za-z0-9._~-]*$" doc:"Only ids that begin with this."`
	Relocating bool   `query:"relocating" doc:"Only those that are being moved to another media server."`
}

func (s *sessions) list(ctx context.Context, in *listSessionsInput) (*listOutput[Session], error) {
	after, err := in.after()
	if err != nil {
		return nil, err
	}
	states := []control.SessionState{control.SessionActive, control.SessionClosing}
	if in.State != "" {
		states = []control.SessionState{control.SessionState(in.State)}
	}
	found, err := s.Store.Sessions.List(ctx, store.SessionFilter{
		States: states, Server: control.MediaServerID(in.Server), Prefix: in.Prefix, Relocating: in.Relocating,
		After: control.SessionID(after), Now: s.Now(), Limit: in.Limit + 1,
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	list := make([]Session, len(found))
	for i := range found {
		list[i] = newSession(found[i])
	}
	return pageOf(list, in.Limit, func(s Session) string { return string(s.ID) }), nil
}

type sessionOutput struct{ Body Session }

func (s *sessions) get(ctx context.Context, in *SessionPath) (*sessionOutput, error) {
	session, err := s.session(ctx, in.Session)
	if err != nil {
		return nil, err
	}
	return &sessionOutput{Body: newSession(*session)}, nil
}

func (s *sessions) delete(ctx context.Context, in *SessionPath) (*struct{}, error) {
	if _, err := s.session(ctx, in.Session); err != nil {
		return nil, err
	}
	_, err := s.doInSession(ctx, newRequest(ctx, message.TypeCloseSession, in.Session, "", message.CloseSession{
		Reason: "deleted", Actor: callOf(ctx).principal.Actor(),
	}))
	return nil, err
}
