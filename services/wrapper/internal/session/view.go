package session

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// viewing serves viewers: they are in no list of users, nobody is told of them, and all that is known of one is in its
// negotiation.
type viewing struct{ *endpoints }

var errViewNotFound = control.Errorf(control.CodeNotFound, "there is no such viewer in the session")

// View answers an offer of a viewer. A seq that was answered gets the same answer again. Errors: no_capacity; invalid
// for an SDP that the media server refuses; for a later offer than the first also not_found, stale_epoch, and conflict
// for one whose seq was another offer's.
func (s *viewing) View(ctx context.Context, r Request, b message.View) (*message.Answered, error) {
	sess, err := s.active(ctx, r)
	if err != nil {
		return nil, err
	}
	view, err := s.viewOf(ctx, r, b.Viewer)
	if err != nil && (b.Seq > 1 || !errors.Is(err, errViewNotFound)) {
		return nil, err
	}
	if err == nil && b.Seq == 1 && view.Epoch < sess.Epoch {
		// It is sent again because its first answer did not arrive, and what was made for it is gone.
		view, err = nil, s.store.Negotiations.RemoveView(ctx, r.Session, b.Viewer)
		if err != nil {
			return nil, err
		}
	}
	if view != nil {
		answered, err := answeredView(sess, view, b)
		if err != nil || answered != nil {
			return answered, err
		}
	}
	if sess, err = s.ensurePipeline(ctx, r, sess); err != nil {
		return nil, err
	}
	if view != nil && view.Epoch != sess.Epoch {
		return nil, errStaleEpoch
	}
	return s.answerView(ctx, r, sess, b)
}

// viewOf reads what is known of a viewer. Errors: errViewNotFound.
func (s *viewing) viewOf(ctx context.Context, r Request, viewer control.UserID) (*control.Negotiation, error) {
	view, err := s.store.Negotiations.Get(ctx, control.NegotiationID(r.Session, viewer, control.View))
	if errors.Is(err, store.ErrNotFound) {
		return nil, errViewNotFound
	}
	if err != nil {
		return nil, err
	}
	return view, nil
}

// answeredView is what the offer was answered with before, nil if it was not.
func answeredView(sess *control.Session, view *control.Negotiation, b message.View) (*message.Answered, error) {
	switch {
	case view.Epoch != sess.Epoch:
		return nil, errStaleEpoch
	case b.Seq == view.Seq && b.SDP == view.Offer:
		last := view.Answers[len(view.Answers)-1]
		return &message.Answered{Epoch: view.Epoch, Seq: b.Seq, SDP: last.SDP}, nil
	case b.Seq <= view.Seq:
		return nil, control.Errorf(control.CodeConflict, "another offer was faster")
	default:
		return nil, nil //nolint:nilnil // it is new
	}
}

// answerView has the media server answer, and stores it.
func (s *viewing) answerView(
	ctx context.Context, r Request, sess *control.Session, b message.View,
) (*message.Answered, error) {
	media, err := s.fleet.Media(ctx, sess.Pipeline.Server)
	if err != nil {
		return nil, err
	}
	endpoint, err := media.CreateViewEndpoint(ctx, mediaapi.EndpointParams{
		MediaPipeline: sess.Pipeline.ID, User: b.Viewer, Join: control.JoinID(b.Viewer), Of: &b.Of,
	})
	if errors.Is(err, ErrObjectGone) {
		return nil, s.pipelineGone(ctx, r, sess)
	}
	if err != nil {
		return nil, err
	}
	processed, err := media.ProcessOffer(ctx, endpoint, mediaapi.ProcessOffer{Offer: b.SDP, Seq: b.Seq})
	switch {
	case errors.Is(err, ErrObjectGone):
		return nil, control.Errorf(control.CodeUnavailable, "the viewer's endpoint went meanwhile: %w", err)
	case err != nil:
		if b.Seq == 1 && !Retryable(err) {
			s.release(ctx, sess.Pipeline.Server, endpoint)
		}
		return nil, err
	}
	err = s.store.Negotiations.StoreView(ctx, store.Viewed{
		Session: r.Session, Viewer: b.Viewer, Epoch: sess.Epoch, Seq: b.Seq,
		Endpoint: endpoint, Offer: b.SDP, Answer: processed.Answer,
	}, time.Now().UTC())
	if err != nil && !errors.Is(err, store.ErrGuard) { // another delivery was faster, with the same answer
		return nil, err
	}
	return &message.Answered{Epoch: sess.Epoch, Seq: b.Seq, SDP: processed.Answer}, nil
}

// EndView ends what a viewer watches; one that is gone already is no error.
func (s *viewing) EndView(ctx context.Context, r Request, b message.EndView) error {
	view, err := s.viewOf(ctx, r, b.Viewer)
	if errors.Is(err, errViewNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	sess, err := s.active(ctx, r)
	if err != nil {
		return ignoreFinal(err)
	}
	return s.endView(ctx, sess, view.Epoch, b.Viewer, view.Endpoint)
}

// endView releases the endpoint of a viewer and forgets the viewer then, so that who fails can be repeated. A pipeline
// that the session does not have any more is gone with all that was in it.
func (s *viewing) endView(
	ctx context.Context, sess *control.Session, epoch int64, viewer control.UserID, endpoint string,
) error {
	if pipeline := sess.PipelineIn(epoch); pipeline != nil {
		media, err := s.fleet.Media(ctx, pipeline.Server)
		if err == nil {
			err = media.Release(ctx, endpoint)
		}
		if err != nil && !errors.Is(err, ErrObjectGone) {
			return err
		}
	}
	if err := s.store.Negotiations.RemoveView(ctx, sess.ID, viewer); err != nil {
		return err
	}
	s.log.InfoContext(ctx, "viewer left", slog.String(logging.KeySession, string(sess.ID)),
		slog.String(logging.KeyUser, string(viewer)))
	return nil
}

// viewState ends a view whose connection is over: a viewer comes back as another one.
func (s *viewing) viewState(ctx context.Context, r Request, b message.MediaState) error {
	if b.State != control.ConnectionFailed && b.State != control.ConnectionClosed {
		return nil
	}
	sess, err := s.active(ctx, r)
	if err != nil {
		return ignoreFinal(err)
	}
	if pipeline := sess.PipelineIn(b.Epoch); pipeline == nil || pipeline.ID != b.Pipeline {
		return nil
	}
	return s.endView(ctx, sess, b.Epoch, b.User, b.Endpoint)
}

// viewCandidates passes candidates of a viewer on. Errors: not_found, stale_epoch, invalid.
func (s *viewing) viewCandidates(ctx context.Context, r Request, b message.AddCandidates) error {
	view, err := s.viewOf(ctx, r, b.User)
	if err != nil {
		return err
	}
	sess, err := s.active(ctx, r)
	switch {
	case err != nil:
		return err
	case view.Epoch != sess.Epoch:
		return errStaleEpoch
	}
	media, err := s.fleet.Media(ctx, sess.Pipeline.Server)
	if err != nil {
		return err
	}
	err = media.AddICECandidates(ctx, view.Endpoint, mediaapi.AddICECandidates{Candidates: b.Candidates, End: b.End})
	if errors.Is(err, ErrObjectGone) {
		return errViewNotFound
	}
	return err
}
