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

// changedStreams is what a user publishes after an offer, and what of the before is gone. base names the offer: the ids
// of the messages about what it changed are made of it. Streams of an earlier join count as gone. A new stream counts
// as set by this request: one to pause it that is older was about a stream before it under the same id. One that is
// going stays gone, and one under its id is another one.
func changedStreams(
	user control.User, published []mediaapi.PublishedStream, base, request string,
) (next, removed []control.Stream) {
	next = make([]control.Stream, 0, len(published))
	present := user.Published()
	for _, p := range published {
		i := slices.IndexFunc(present, func(s control.Stream) bool { return s.ID == p.ID && s.Join == user.Join })
		if i < 0 {
			next = append(next, control.Stream{
				ID: p.ID, User: user.ID, Kinds: p.Kinds, State: control.StreamActive, PausedKinds: []string{},
				Join: user.Join, Added: addedID(base, p.ID), PausedBy: request,
			})
			continue
		}
		stream := present[i]
		if !slices.Equal(stream.Kinds, p.Kinds) {
			stream.Kinds, stream.Updated = p.Kinds, updatedID(base, p.ID)
			stream = withPaused(stream, stream.PausedKinds)
		}
		next = append(next, stream)
	}
	for _, old := range user.Streams {
		still := func(s control.Stream) bool { return s.ID == old.ID && s.Added == old.Added }
		if !slices.ContainsFunc(next, still) {
			removed = append(removed, old)
		}
	}
	return next, removed
}

// withPaused is the stream with those of its kinds paused that are listed.
func withPaused(stream control.Stream, kinds []string) control.Stream {
	paused := []string{}
	for _, kind := range stream.Kinds {
		if slices.Contains(kinds, kind) {
			paused = append(paused, kind)
		}
	}
	stream.PausedKinds, stream.State = paused, control.StreamActive
	if len(paused) == len(stream.Kinds) && len(paused) > 0 {
		stream.State = control.StreamPaused
	}
	return stream
}

func addedID(base string, id control.StreamID) string {
	return control.DeriveID(base, message.UserTypeStreamAdded+"/"+string(id))
}

func updatedID(base string, id control.StreamID) string {
	return control.DeriveID(base, message.UserTypeStreamUpdated+"/"+string(id))
}

// announceChanged tells everybody of the user's streams that the offer base has added or updated, as long as nothing
// newer has changed them again.
func (s *teller) announceChanged(
	ctx context.Context, r Request, p message.Presence, sess *control.Session, streams []control.Stream, base string,
) error {
	for _, stream := range streams {
		if stream.Added == addedID(base, stream.ID) {
			if err := s.announceAdded(ctx, r, sess, stream); err != nil {
				return err
			}
		}
		if stream.Updated == updatedID(base, stream.ID) {
			if err := s.announce(ctx, r, sess, message.UserTypeStreamUpdated, stream.Updated, stream); err != nil {
				return err
			}
			if err := s.correct(ctx, r, p, stream); err != nil {
				return err
			}
		}
	}
	return nil
}

// correct tells everybody how a stream is by now, if it has changed since it was read as what they were told: what the
// other request told of it may have gone out before that.
func (s *teller) correct(ctx context.Context, r Request, p message.Presence, told control.Stream) error {
	for range guardTries {
		sess, user, err := s.present(ctx, r, p)
		if err != nil {
			return ignoreFinal(err)
		}
		now, err := ownStream(user, told.ID)
		if err != nil || now.Added != told.Added || now.Updated == told.Updated {
			return nil //nolint:nilerr // a stream that is gone was announced as gone
		}
		told = now
		id := control.DeriveID(r.ID, now.Updated)
		if err := s.announce(ctx, r, sess, message.UserTypeStreamUpdated, id, now); err != nil {
			return err
		}
	}
	return errBusy
}

// announceAdded tells everybody of a new stream, and notes that it did.
func (s *teller) announceAdded(ctx context.Context, r Request, sess *control.Session, stream control.Stream) error {
	err := s.announce(ctx, r, sess, message.UserTypeStreamAdded, stream.Added, stream)
	if err != nil || stream.Told {
		return err
	}
	err = s.store.Sessions.SetStreamTold(ctx, sess.ID, stream)
	if errors.Is(err, store.ErrGuard) {
		return nil // gone already
	}
	return err
}

// announceRemoved tells everybody that a stream is gone. The id is the same whichever way it went. A stream that was
// perhaps not announced yet is announced before: whoever is about to do that comes too late then, with the same id.
func (s *teller) announceRemoved(ctx context.Context, r Request, sess *control.Session, stream control.Stream) error {
	if !stream.Told {
		if err := s.announce(ctx, r, sess, message.UserTypeStreamAdded, stream.Added, stream); err != nil {
			return err
		}
	}
	id := control.DeriveID(stream.Added, message.UserTypeStreamRemoved)
	return s.announce(ctx, r, sess, message.UserTypeStreamRemoved, id, stream)
}

func (s *teller) announce(
	ctx context.Context, r Request, sess *control.Session, kind, id string, stream control.Stream,
) error {
	return s.toAll(ctx, r, userMessage{
		ID: id, Type: kind, Epoch: sess.Epoch, Data: message.StreamData{Stream: stream},
	})
}
