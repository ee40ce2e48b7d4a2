package session

import (
	"context"
	"errors"
	"slices"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// PauseStream pauses or resumes a stream of the user, and tells everybody. Of two requests the one with the later id
// counts, in whatever order they are handled. Errors: not_found for a stream that is not the user's.
func (s *publishing) PauseStream(ctx context.Context, r Request, b message.PauseStream) error {
	return s.failed(ctx, r, b.Presence, s.pauseStream(ctx, r, b))
}

func (s *publishing) pauseStream(ctx context.Context, r Request, b message.PauseStream) error {
	for range guardTries {
		_, user, err := s.present(ctx, r, b.Presence)
		if err != nil {
			return err
		}
		stream, err := ownStream(user, b.Stream)
		if err != nil {
			return err
		}
		if stream.PausedBy >= r.ID {
			return s.applyPaused(ctx, r, b) // this one was delivered before, or a later one was faster
		}
		paused := paused(stream, b)
		paused.PausedBy, paused.Updated = r.ID, control.DeriveID(r.ID, message.UserTypeStreamUpdated)
		err = s.store.Sessions.SetPaused(ctx, r.Session, paused, user.StreamsRev)
		if err != nil && !errors.Is(err, store.ErrGuard) {
			return err
		}
	}
	return errBusy
}

func ownStream(user *control.User, id control.StreamID) (control.Stream, error) {
	streams := user.Published()
	i := slices.IndexFunc(streams, func(s control.Stream) bool { return s.ID == id && s.Join == user.Join })
	if i < 0 {
		return control.Stream{}, control.Errorf(control.CodeNotFound, "the user has no stream %q", id)
	}
	return streams[i], nil
}

// paused is the stream as the request wants it.
func paused(stream control.Stream, b message.PauseStream) control.Stream {
	named := b.Kinds
	if len(named) == 0 {
		named = stream.Kinds
	}
	var kinds []string
	for _, kind := range stream.Kinds {
		if slices.Contains(named, kind) && b.Paused || !slices.Contains(named, kind) &&
			slices.Contains(stream.PausedKinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	return withPaused(stream, kinds)
}

// applyPaused has the media server do what is stored, until nothing else is stored any more, and tells everybody.
func (s *publishing) applyPaused(ctx context.Context, r Request, b message.PauseStream) error {
	for range guardTries {
		sess, user, err := s.present(ctx, r, b.Presence)
		if err != nil {
			return err
		}
		stream, err := ownStream(user, b.Stream)
		if err != nil {
			return err
		}
		if err := s.setPaused(ctx, sess, user, stream); err != nil {
			return err
		}
		_, after, err := s.present(ctx, r, b.Presence)
		if err != nil {
			return err
		}
		now, err := ownStream(after, b.Stream)
		if err != nil {
			return err
		}
		if now.PausedBy != stream.PausedBy {
			continue
		}
		if !stream.Told { // whoever is about to tell comes too late then, with the same id
			if err := s.announce(ctx, r, sess, message.UserTypeStreamAdded, stream.Added, stream); err != nil {
				return err
			}
		}
		if err := s.announce(ctx, r, sess, message.UserTypeStreamUpdated, updateID(r, stream), stream); err != nil {
			return err
		}
		if last, err := s.isLast(ctx, r, b, stream); err != nil || last {
			return err
		}
	}
	return errBusy
}

// updateID is the id of the message about how a stream is now, from request r. Of a request that another one has
// overtaken, the message about what that one did comes under an id of its own: ours may have gone out after theirs.
func updateID(r Request, stream control.Stream) string {
	if stream.PausedBy == r.ID {
		return stream.Updated
	}
	return control.DeriveID(r.ID, stream.Updated)
}

// isLast reports whether what was announced of a stream still holds, now that it is out.
func (s *publishing) isLast(ctx context.Context, r Request, b message.PauseStream, told control.Stream) (bool, error) {
	_, user, err := s.present(ctx, r, b.Presence)
	if err != nil {
		return true, ignoreFinal(err)
	}
	now, err := ownStream(user, told.ID)
	return err != nil || now.Updated == told.Updated, nil //nolint:nilerr // a stream that is gone was announced as gone
}

// setPaused has every endpoint that the user publishes with do it: while the session is being moved there are two.
// Without one it is applied with the next offer.
func (s *publishing) setPaused(
	ctx context.Context, sess *control.Session, user *control.User, stream control.Stream,
) error {
	for _, conn := range sess.Connections {
		pipeline := sess.PipelineIn(conn.Epoch)
		if conn.User != user.ID || conn.Join != user.Join || conn.Kind != control.Publish ||
			conn.Endpoint.ID == "" || pipeline == nil {
			continue
		}
		media, err := s.fleet.Media(ctx, pipeline.Server)
		if err != nil {
			return err
		}
		err = media.SetPaused(ctx, conn.Endpoint.ID,
			mediaapi.SetPaused{Stream: stream.ID, PausedKinds: stream.PausedKinds, By: stream.PausedBy})
		if conn.Epoch != sess.Epoch && errors.Is(err, ErrObjectGone) {
			continue
		}
		if err := s.mediaError(ctx, live{sess: sess, user: user, conn: conn, media: media}, err); err != nil {
			return err
		}
	}
	return nil
}
