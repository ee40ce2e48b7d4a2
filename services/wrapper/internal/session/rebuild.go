package session

import (
	"context"
	"log/slog"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/message"
)

// ReasonServerDown is why a pipeline is replaced whose server was lost.
const ReasonServerDown = "server-down"

// Rebuild replaces a pipeline that is lost. Users are told that it is gone and, when the next one is there, to offer
// again under its epoch; what they subscribe with is made at once. A session whose pipeline is well, or that has moved
// on further, needs nothing.
func (s *lifecycle) Rebuild(ctx context.Context, r Request, b message.Rebuild) error {
	sess, err := s.active(ctx, r)
	if err != nil || sess.Epoch > b.Epoch+1 {
		return ignoreFinal(err)
	}
	moving := sess.Relocation != nil && sess.Relocation.Epoch == b.Epoch // off the lost one: the next is there already
	if moving || sess.Epoch == b.Epoch {
		lost, err := s.isLost(ctx, sess.PipelineIn(b.Epoch), b)
		if err != nil || !lost {
			return err
		}
	}
	gone := func() error { return s.tellEpoch(ctx, r, message.UserTypeDisconnected, b.Epoch, b.Reason) }
	carried := sess.Relocation != nil && !moving // by the pipeline before: it goes only when there is a next one
	if !carried {
		err = gone()
	}
	switch {
	case err != nil:
	case moving:
		err = s.endRelocation(ctx, r, sess)
	case sess.Epoch == b.Epoch:
		sess, err = s.replaceLost(ctx, r, sess)
	}
	if err == nil && sess != nil && carried {
		err = gone()
	}
	if err != nil || sess == nil {
		return err
	}
	if err := s.audit(ctx, r, "", "session.rebuild", "session:"+string(sess.ID), b.Reason); err != nil {
		return err
	}
	s.log.InfoContext(ctx, "session rebuilt", slog.String(logging.KeySession, string(sess.ID)),
		slog.String(logging.KeyServer, string(sess.Pipeline.Server)), slog.Int64(logging.KeyEpoch, sess.Epoch))
	return s.reconnect(ctx, r, sess, b.Reason)
}

// replaceLost is replacePipeline. nil without an error: there is no place, and it is asked again.
func (s *lifecycle) replaceLost(ctx context.Context, r Request, sess *control.Session) (*control.Session, error) {
	sess, err := s.replacePipeline(ctx, r, sess)
	if err != nil {
		s.metrics.rebuilds.WithLabelValues(string(control.CodeOf(err))).Inc()
		return nil, s.waitForPlace(r, err)
	}
	return sess, nil
}

// isLost reports whether pipeline is the one that the request is about, and lost indeed.
func (s *lifecycle) isLost(ctx context.Context, pipeline *control.PipelineRef, b message.Rebuild) (bool, error) {
	if pipeline == nil || pipeline.ID != b.Pipeline {
		return false, nil
	}
	if b.Gone {
		return true, nil
	}
	// The request may be here before the news of the loss: what was last seen of the server does not count.
	return s.lostByStore(ctx, *pipeline)
}

// reconnect sends everybody to the present pipeline: each is told to offer there, and what it subscribes with is made.
func (s *lifecycle) reconnect(ctx context.Context, r Request, sess *control.Session, reason string) error {
	if err := s.tellEpoch(ctx, r, message.UserTypeReconnect, sess.Epoch, reason); err != nil {
		return err
	}
	for _, user := range sess.Users {
		if !user.Permissions.Subscribe {
			continue
		}
		p := message.Presence{User: user.ID, Join: user.Join}
		_, err := s.ensureEndpoint(ctx, r, p, control.Subscribe, sess.Epoch)
		if err != nil && Retryable(err) {
			return err
		}
	}
	return nil
}

// ignoreFinal drops what trying again would not mend: the session is gone, and with it the request's reason.
func ignoreFinal(err error) error {
	if Retryable(err) {
		return err
	}
	return nil
}

// waitForPlace has a rebuild that finds no place tried again. In the end it is dropped: the reconciliation asks for
// another as long as the session has no pipeline, so it is nothing that an operator has to put back.
func (s *lifecycle) waitForPlace(r Request, err error) error {
	if control.CodeOf(err) != control.CodeNoCapacity {
		return err
	}
	if r.Last {
		s.log.Warn("no media server takes a session that lost its own; it is asked again",
			slog.String(logging.KeySession, string(r.Session)), slog.Any(logging.KeyError, err))
		return nil
	}
	return control.Errorf(control.CodeUnavailable, "no media server takes the session yet: %w", err)
}
