package api

import (
	"context"
	"slices"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
)

// StreamPath is the path of a stream in its session.
type StreamPath struct {
	Stream control.StreamID `path:"id" doc:"Id of the stream."`
}

type pauseInput struct {
	SessionPath
	StreamPath
	Body Pause
}

type pauseOwnInput struct {
	UserPath
	StreamPath
	Body Pause
}

// Pause is what PATCH .../streams/{id} takes.
type Pause struct {
	Paused bool     `json:"paused"`
	Kinds  []string `json:"kinds,omitempty" nullable:"false" maxItems:"3" enum:"audio,video,data" doc:"None: all."`
}

// pause is for the owner of the stream, or an API key in its place.
func (u *users) pause(ctx context.Context, in *pauseInput) (*struct{}, error) {
	session, err := u.session(ctx, in.Session)
	if err != nil {
		return nil, err
	}
	owner, stream := findStream(session, in.Stream)
	if stream == nil {
		return nil, noStream(in.Stream)
	}
	if caller := callOf(ctx).principal; caller.IsUser() && caller.User != owner.ID {
		return nil, control.Errorf(control.CodeForbidden, "the stream is another user's")
	}
	return nil, u.requestPause(ctx, in.Session, owner, stream, in.Body)
}

// pauseOwn is pause with the owner in the path.
func (u *users) pauseOwn(ctx context.Context, in *pauseOwnInput) (*struct{}, error) {
	session, user, err := u.user(ctx, in.UserPath)
	if err != nil {
		return nil, err
	}
	owner, stream := findStream(session, in.Stream)
	if stream == nil || owner.ID != user.ID {
		return nil, noStream(in.Stream)
	}
	return nil, u.requestPause(ctx, in.Session, owner, stream, in.Body)
}

func (u *users) requestPause(
	ctx context.Context, session control.SessionID, owner *control.User, stream *control.Stream, wish Pause,
) error {
	for _, kind := range wish.Kinds {
		if !slices.Contains(stream.Kinds, kind) {
			return control.Errorf(control.CodeInvalid, "kinds: the stream has no %s", kind)
		}
	}
	return u.send(ctx, newRequest(ctx, message.TypePauseStream, session, owner.ID, message.PauseStream{
		Presence: presence(owner), Stream: stream.ID, Paused: wish.Paused, Kinds: wish.Kinds,
	}))
}

func noStream(id control.StreamID) error {
	return control.Errorf(control.CodeNotFound, "there is no stream %q here", id)
}

func findStream(session *control.Session, id control.StreamID) (*control.User, *control.Stream) {
	for i := range session.Users {
		user := &session.Users[i]
		for _, stream := range user.Published() {
			if stream.ID == id {
				return user, &stream
			}
		}
	}
	return nil, nil
}
