package api

import (
	"context"
	"slices"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
)

type pauseInput struct {
	SessionPath
	Stream control.StreamID `path:"id" doc:"Id of the stream."`
	Body   Pause
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
		return nil, control.Errorf(control.CodeNotFound, "there is no stream %q in the session", in.Stream)
	}
	if caller := callOf(ctx).principal; caller.IsUser() && caller.User != owner.ID {
		return nil, control.Errorf(control.CodeForbidden, "the stream is another user's")
	}
	for _, kind := range in.Body.Kinds {
		if !slices.Contains(stream.Kinds, kind) {
			return nil, control.Errorf(control.CodeInvalid, "kinds: the stream has no %s", kind)
		}
	}
	return nil, u.send(ctx, newRequest(ctx, message.TypePauseStream, in.Session, owner.ID, message.PauseStream{
		Presence: presence(owner), Stream: in.Stream, Paused: in.Body.Paused, Kinds: in.Body.Kinds,
	}))
}

func findStream(session *control.Session, id control.StreamID) (*control.User, *control.Stream) {
	for i := range session.Users {
		user := &session.Users[i]
		for j := range user.Streams {
			if user.Streams[j].ID == id {
				return user, &user.Streams[j]
			}
		}
	}
	return nil, nil
}
