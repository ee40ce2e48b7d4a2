package session

import (
	"context"
	"slices"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
)

// MediaQuality tells a user what it is sent of each video stream. Nothing is stored: the message holds everything, and
// its number has clients drop an older one that comes late.
func (s *connections) MediaQuality(ctx context.Context, r Request, b message.MediaQuality) error {
	sess, conn, err := s.eventOf(ctx, r, b.EndpointEvent)
	if err != nil || conn == nil {
		return err
	}
	return s.toUser(ctx, r, b.User, userMessage{
		ID: control.DeriveID(r.ID, message.UserTypeQuality), Type: message.UserTypeQuality, Epoch: sess.Epoch,
		Data: message.QualityData{Epoch: b.Epoch, Seq: b.Number, Bandwidth: b.Bandwidth, Streams: b.Streams},
	})
}

// MediaSpeakers tells everybody who is heard. Of streams that are not known, or not any more, nobody is told.
func (s *connections) MediaSpeakers(ctx context.Context, r Request, b message.MediaSpeakers) error {
	sess, err := s.active(ctx, r)
	if err != nil {
		if Retryable(err) {
			return err
		}
		return nil
	}
	if sess.Epoch != b.Epoch || sess.Pipeline == nil || sess.Pipeline.ID != b.Pipeline {
		return nil
	}
	return s.toAll(ctx, r, userMessage{
		ID: control.DeriveID(r.ID, message.UserTypeSpeakers), Type: message.UserTypeSpeakers, Epoch: sess.Epoch,
		Data: message.SpeakersData{Epoch: b.Epoch, Seq: b.Number, Speakers: speakersAmong(sess.Users, b.Streams)},
	})
}

// speakersAmong finds whose the streams are, in their order.
func speakersAmong(users []control.User, streams []control.StreamID) []message.Speaker {
	speakers := []message.Speaker{}
	for _, id := range streams {
		for _, user := range users {
			if slices.ContainsFunc(user.Published(), func(s control.Stream) bool { return s.ID == id }) {
				speakers = append(speakers, message.Speaker{User: user.ID, Stream: id})
			}
		}
	}
	return speakers
}
