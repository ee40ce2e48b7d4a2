package session

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// MediaOffer passes an offer of the media server on to its user. It is stored first, so that it can be sent again.
func (s *connections) MediaOffer(ctx context.Context, r Request, b message.MediaOffer) error {
	sess, conn, err := s.eventOf(ctx, r, b.EndpointEvent)
	if err != nil || conn == nil {
		return err
	}
	err = s.store.Negotiations.StoreOffer(ctx, r.Session, *conn, b.Seq, b.SDP, time.Now().UTC())
	if err != nil && !errors.Is(err, store.ErrGuard) {
		return err
	}
	err = s.store.Sessions.SetSeq(ctx, r.Session, *conn, b.Seq)
	if err != nil && !errors.Is(err, store.ErrGuard) {
		return err
	}
	if err != nil && conn.Seq > b.Seq {
		return nil // a later offer has gone out
	}
	return s.toUser(ctx, r, b.User, userMessage{
		ID: control.DeriveID(r.ID, message.UserTypeOffer), Type: message.UserTypeOffer, Epoch: sess.Epoch,
		Data: message.SDPData{Connection: b.Kind, Seq: b.Seq, Epoch: b.Epoch, SDP: b.SDP},
	})
}

// MediaCandidate passes a candidate of the media server on.
func (s *connections) MediaCandidate(ctx context.Context, r Request, b message.MediaCandidate) error {
	sess, conn, err := s.eventOf(ctx, r, b.EndpointEvent)
	if err != nil || conn == nil {
		return err
	}
	return s.toUser(ctx, r, b.User, userMessage{
		ID: control.DeriveID(r.ID, message.UserTypeCandidate), Type: message.UserTypeCandidate, Epoch: sess.Epoch,
		Data: message.CandidateData{Connection: b.Kind, Epoch: b.Epoch, Candidate: b.Candidate, End: b.End},
	})
}

// MediaState stores the state of a connection and tells its user. One that failed counts; a user whose connections
// failed too often in a row is removed.
func (s *connections) MediaState(ctx context.Context, r Request, b message.MediaState) error {
	if b.Kind == control.View {
		return (&viewing{s.endpoints}).viewState(ctx, r, b)
	}
	before, conn, err := s.eventOf(ctx, r, b.EndpointEvent)
	if err != nil || conn == nil {
		return err
	}
	err = s.store.Sessions.SetConnectionState(ctx, r.Session, *conn, storedState(b.State), b.Number, time.Now().UTC())
	if err != nil && !errors.Is(err, store.ErrGuard) {
		return err
	}
	if err == nil && b.State == control.ConnectionFailed {
		s.metrics.failures.Inc()
	}
	if err == nil {
		s.logState(ctx, r.Session, b)
		s.metrics.connected(before, *conn, b.State)
	}
	sess, conn, err := s.eventOf(ctx, r, b.EndpointEvent)
	if err != nil || conn == nil || conn.StateSeq != b.Number {
		return err // an event after this one was faster
	}
	if err := s.tellState(ctx, r, sess, *sess.User(b.User), b); err != nil || b.State != control.ConnectionConnected {
		return err
	}
	return s.hastenRelocation(ctx, sess)
}

// storedState is what is stored of a state that a media server reports. Closed is for requests to say: the report of it
// may come after a later request has asked for media again, whose states would then count for nothing.
func storedState(reported control.ConnectionState) control.ConnectionState {
	if reported == control.ConnectionClosed {
		return control.ConnectionDisconnected
	}
	return reported
}

func (s *connections) logState(ctx context.Context, session control.SessionID, b message.MediaState) {
	level := slog.LevelInfo
	if b.State == control.ConnectionConnecting {
		level = slog.LevelDebug
	}
	s.log.Log(ctx, level, "connection state changed", slog.String(logging.KeySession, string(session)),
		slog.String(logging.KeyUser, string(b.User)), slog.String("connection", string(b.Kind)),
		slog.String("state", string(b.State)), slog.Int64(logging.KeyEpoch, b.Epoch))
}

func (s *connections) tellState(
	ctx context.Context, r Request, sess *control.Session, user control.User, b message.MediaState,
) error {
	told := userMessage{
		ID: control.DeriveID(r.ID, message.UserTypeConnectionState), Type: message.UserTypeConnectionState,
		Epoch: sess.Epoch,
		Data:  message.ConnectionStateData{Connection: b.Kind, Epoch: b.Epoch, State: b.State},
	}
	switch b.State {
	case control.ConnectionConnecting, control.ConnectionConnected, control.ConnectionDisconnected:
		return s.toUser(ctx, r, user.ID, told)
	case control.ConnectionFailed:
	default:
		return nil
	}
	retry := user.Failures < s.cfg.MaxFailures
	told.ID, told.Type = control.DeriveID(r.ID, message.UserTypeConnectionFailed), message.UserTypeConnectionFailed
	told.Data = message.ConnectionFailedData{Connection: b.Kind, Epoch: b.Epoch, Retry: retry}
	if err := s.toUser(ctx, r, user.ID, told); err != nil || retry {
		return err
	}
	return s.toSession(ctx, r, control.DeriveID(r.ID, message.TypeLeave), message.TypeLeave, message.Leave{
		Presence: message.Presence{User: user.ID, Join: user.Join}, Reason: ReasonTimeout,
	})
}

// ReasonTimeout removes a user that was not heard of for its grace time, or whose connections failed too often.
const ReasonTimeout = "timeout"

// eventOf finds the connection that an event is about. nil without an error: it is of a connection that is over, or
// whose endpoint was replaced. An endpoint that is not stored yet is worth another try.
func (s *connections) eventOf(
	ctx context.Context, r Request, e message.EndpointEvent,
) (*control.Session, *control.Connection, error) {
	sess, user, err := s.inEpoch(ctx, r, e.Presence, e.Epoch)
	if err != nil {
		if Retryable(err) {
			return nil, nil, err
		}
		return nil, nil, nil
	}
	if sess.Pipeline == nil || sess.Pipeline.ID != e.Pipeline {
		return nil, nil, nil
	}
	conn := connectionOf(sess, user, e.Kind)
	switch {
	case conn != nil && conn.Endpoint.ID == e.Endpoint:
		return sess, conn, nil
	case r.Last, conn != nil && (conn.Endpoint.ID != "" || conn.State == control.ConnectionClosed):
		return nil, nil, nil
	default:
		return nil, nil, control.Errorf(control.CodeUnavailable, "the endpoint is not known yet")
	}
}
