package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// Publish answers an offer. A seq that was answered, or refused, gets the same again; one whose predecessor is still
// being handled is tried again later. Errors: forbidden, stale_epoch, invalid for SDP that the media server refuses.
func (s *publishing) Publish(ctx context.Context, r Request, b message.Publish) (*message.Answered, error) {
	answered, err := s.publish(ctx, r, b)
	if errors.Is(err, store.ErrGuard) {
		err = errBusy
	}
	if errors.Is(err, errStaleEpoch) {
		if told := s.tellStored(ctx, r, b); told != nil {
			err = told
		}
	}
	return answered, s.failed(ctx, r, b.Presence, err)
}

// tellStored tells everybody what an offer has changed whose epoch ended before that was done: streams outlive it.
func (s *publishing) tellStored(ctx context.Context, r Request, b message.Publish) error {
	sess, user, err := s.present(ctx, r, b.Presence)
	if err != nil {
		return ignoreFinal(err)
	}
	for _, stream := range user.Streams {
		if !stream.Going {
			continue
		}
		if err := s.announceRemoved(ctx, r, sess, stream); err != nil {
			return err
		}
	}
	return s.announceChanged(ctx, r, b.Presence, sess, user.Published(), offerBase(r.Session, b))
}

func (s *publishing) publish(ctx context.Context, r Request, b message.Publish) (*message.Answered, error) {
	sess, user, err := s.inEpoch(ctx, r, b.Presence, b.Epoch)
	if err != nil {
		return nil, err
	}
	if !user.Permissions.Publish {
		return nil, control.Errorf(control.CodeForbidden, "the user may not publish")
	}
	last := int64(0)
	if conn := connectionOf(sess, user, control.Publish); conn != nil {
		last = conn.Seq
	}
	switch {
	case b.Seq <= last:
		return s.answerAgain(ctx, r, sess, *user, b)
	case b.Seq > last+1 && !r.Last:
		return nil, control.Errorf(control.CodeUnavailable, "offer %d waits for offer %d", b.Seq, last+1)
	}
	answered, err := s.answer(ctx, r, b)
	if err != nil && (!Retryable(err) || r.Last) && !errors.Is(err, errStaleEpoch) {
		return nil, errors.Join(err, s.refuse(ctx, r, b, err))
	}
	return answered, err
}

// answer has the media server process the offer, stores the outcome and tells of it.
func (s *publishing) answer(ctx context.Context, r Request, b message.Publish) (*message.Answered, error) {
	l, err := s.endpointAfter(ctx, r, b.Presence, control.Publish, b.Epoch, b.Seq-1)
	if errors.Is(err, errOvertaken) {
		return nil, errBusy // answered by another delivery, or stopped meanwhile: the next try finds out
	}
	if err != nil {
		return nil, err
	}
	processed, err := l.media.ProcessOffer(ctx, l.conn.Endpoint.ID, mediaapi.ProcessOffer{Offer: b.SDP, Seq: b.Seq})
	if err != nil {
		return nil, s.mediaError(ctx, l, err)
	}
	answer := control.SDPAnswer{Seq: b.Seq, Endpoint: l.conn.Endpoint.ID, SDP: processed.Answer}
	err = s.store.Negotiations.StoreAnswer(ctx, r.Session, l.conn, answer, time.Now().UTC())
	if err != nil && !errors.Is(err, store.ErrGuard) {
		return nil, err
	}
	base := offerBase(r.Session, b)
	for range guardTries {
		err = s.storeStreams(ctx, r, l, b.Seq, processed.Streams, base)
		if !errors.Is(err, store.ErrGuard) {
			break
		}
		if l.sess, l.user, err = s.inEpoch(ctx, r, b.Presence, b.Epoch); err != nil {
			return nil, err
		}
		conn := connectionOf(l.sess, l.user, control.Publish)
		if conn == nil || conn.Endpoint.ID != l.conn.Endpoint.ID || stopped(*conn) {
			return nil, errBusy // stopped meanwhile, or begun anew
		}
		if conn.Seq >= b.Seq {
			return s.answerAgain(ctx, r, l.sess, *l.user, b)
		}
		l.conn = *conn
	}
	if err != nil {
		return nil, err
	}
	sess, user, err := s.inEpoch(ctx, r, b.Presence, b.Epoch)
	if err != nil {
		return nil, err
	}
	return s.tellAnswer(ctx, r, sess, *user, b, processed.Answer)
}

// storeStreams is the one guarded update of an offer. What is gone is marked and announced before it: the media server
// has dropped it already, and afterwards nobody would know.
func (s *publishing) storeStreams(
	ctx context.Context, r Request, l live, seq int64, published []mediaapi.PublishedStream, base string,
) error {
	next, removed := changedStreams(*l.user, published, base, r.ID)
	if err := s.markGoing(ctx, r, l.user, removed); err != nil {
		return err
	}
	for _, stream := range removed {
		if err := s.announceRemoved(ctx, r, l.sess, stream); err != nil {
			return err
		}
	}
	if err := s.pauseAgain(ctx, l, next); err != nil {
		return err
	}
	return s.store.Sessions.SetAnswered(ctx, r.Session, l.conn, seq, next, l.user.StreamsRev)
}

// pauseAgain has the endpoint pause of these streams what is to be paused. It is told of those, too, of which nothing
// is any more: it keeps what was, of kinds that are gone, and would pause those when they come back.
func (s *publishing) pauseAgain(ctx context.Context, l live, streams []control.Stream) error {
	for _, stream := range streams {
		wasPaused := slices.ContainsFunc(l.user.Streams, func(s control.Stream) bool {
			return s.ID == stream.ID && len(s.PausedKinds) > 0
		})
		if len(stream.PausedKinds) == 0 && !wasPaused {
			continue
		}
		paused := mediaapi.SetPaused{Stream: stream.ID, PausedKinds: stream.PausedKinds, By: stream.PausedBy}
		if err := l.media.SetPaused(ctx, l.conn.Endpoint.ID, paused); err != nil {
			return s.mediaError(ctx, l, err)
		}
	}
	return nil
}

// markGoing marks streams of a user before everybody is told that they are gone: if the offer comes to nothing then,
// because its epoch ends, nobody takes them for alive.
func (s *publishing) markGoing(ctx context.Context, r Request, user *control.User, removed []control.Stream) error {
	marked := slices.Clone(user.Streams)
	changed := false
	for i := range marked {
		going := slices.ContainsFunc(removed, func(old control.Stream) bool {
			return old.ID == marked[i].ID && old.Added == marked[i].Added
		})
		changed = changed || going && !marked[i].Going
		marked[i].Going = marked[i].Going || going
	}
	if !changed {
		return nil
	}
	if err := s.store.Sessions.SetStreams(ctx, r.Session, *user, marked); err != nil {
		return err
	}
	user.Streams = marked
	user.StreamsRev++
	return nil
}

// tellAnswer sends the answer to the user and what it changed to everybody.
func (s *publishing) tellAnswer(
	ctx context.Context, r Request, sess *control.Session, user control.User, b message.Publish, sdp string,
) (*message.Answered, error) {
	base := offerBase(r.Session, b)
	err := s.toUser(ctx, r, user.ID, userMessage{
		ID: control.DeriveID(base, message.UserTypeAnswer), Type: message.UserTypeAnswer, Epoch: b.Epoch,
		Data: message.SDPData{Connection: control.Publish, Seq: b.Seq, Epoch: b.Epoch, SDP: sdp},
	})
	if err != nil {
		return nil, err
	}
	if err := s.announceChanged(ctx, r, b.Presence, sess, user.Published(), base); err != nil {
		return nil, err
	}
	return &message.Answered{Epoch: b.Epoch, Seq: b.Seq, SDP: sdp}, nil
}

// answerAgain repeats what an offer got. Errors: the one it was refused with; conflict if it is void or too old.
func (s *publishing) answerAgain(
	ctx context.Context, r Request, sess *control.Session, user control.User, b message.Publish,
) (*message.Answered, error) {
	negotiation, err := s.store.Negotiations.Get(ctx, control.NegotiationID(r.Session, b.User, control.Publish))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	a := answerOf(sess, &user, negotiation, b.Seq)
	switch {
	case a == nil || negotiation.Join != b.Join || negotiation.Epoch != b.Epoch:
		return nil, control.Errorf(control.CodeConflict, "offer %d is void", b.Seq)
	case a.Code != "":
		return nil, &control.Error{Code: a.Code, Detail: a.Detail}
	default:
		return s.tellAnswer(ctx, r, sess, user, b, a.SDP)
	}
}

// answerOf is what offer seq was answered with by the endpoint that the user's publish connection has now.
func answerOf(
	sess *control.Session, user *control.User, negotiation *control.Negotiation, seq int64,
) *control.SDPAnswer {
	endpoint := ""
	if conn := connectionOf(sess, user, control.Publish); conn != nil {
		endpoint = conn.Endpoint.ID
	}
	return negotiation.AnswerBy(endpoint, seq)
}

// refuse stores that an offer was refused, so that it counts and the next one can come.
func (s *publishing) refuse(ctx context.Context, r Request, b message.Publish, cause error) error {
	sess, user, err := s.inEpoch(ctx, r, b.Presence, b.Epoch)
	if err != nil {
		return nil //nolint:nilerr // the user is gone or has moved on: nothing is left to count
	}
	now := time.Now().UTC()
	conn := control.Connection{
		ID: connectionID(user.ID, control.Publish), User: user.ID, Kind: control.Publish, Join: user.Join,
		Epoch: sess.Epoch, State: control.ConnectionNew, ChangedAt: now,
	}
	refused := control.SDPAnswer{Seq: b.Seq, Code: control.CodeOf(cause), Detail: detailOf(cause)}
	err = s.store.Negotiations.StoreAnswer(ctx, r.Session, conn, refused, now)
	if err != nil && !errors.Is(err, store.ErrGuard) {
		return err
	}
	if connectionOf(sess, user, control.Publish) == nil {
		err = s.store.Sessions.AddConnection(ctx, r.Session, conn)
		if err != nil && !errors.Is(err, store.ErrGuard) {
			return err
		}
	}
	err = s.store.Sessions.SetSeq(ctx, r.Session, conn, b.Seq)
	if errors.Is(err, store.ErrGuard) {
		return nil
	}
	return err
}

// offerBase names an offer: the same for every request that carries it.
func offerBase(session control.SessionID, b message.Publish) string {
	return fmt.Sprintf("%s/%s/publish/%s/%d/%d", session, b.User, b.Join, b.Epoch, b.Seq)
}
