// Package session is what a Wrapper does with a session: one method a request or media event, each of them idempotent,
// because every request may be delivered more than once, to several Wrappers at the same moment and in any order.
// Package consume calls it.
//
// A method reads the session, checks that the request is of the user's present join and epoch, calls the media server
// (whose calls are idempotent too), makes one guarded update, and then tells the users. What a repeated delivery has to
// find is in the session document: a user that leaves stays marked until everybody has been told, a stream keeps the
// ids of the messages about it. Message ids are derived, so that a repeated message has the id of the first.
//
// It knows neither how messages arrive nor how a media server is reached.
package session

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
)

// guardTries bounds how often a request is looked at again after somebody else was faster. Chosen: more than the
// Wrappers that may ever handle one session at the same moment.
const guardTries = 16

// Broker is the part of the message broker that sessions use.
type Broker interface {
	broker.Topology
	broker.Publisher
}

// Config are the rules of sessions.
type Config struct {
	ICEServers  []control.ICEServer // told to clients
	MaxFailures int                 // failed connections in a row after which a user is removed
	Forget      time.Duration       // how long a closed session is remembered
	Replica     string              // id of this Wrapper, for the audit
}

// Request is the envelope of what is handled. Last says that it will not be tried again.
type Request struct {
	ID          string
	Session     control.SessionID
	TraceParent string
	Last        bool
}

// Service handles requests. Safe for concurrent use.
type Service struct {
	cfg     Config
	store   *store.Store
	broker  Broker
	fleet   Fleet
	metrics *Metrics
	log     *slog.Logger
}

// New is a service over its dependencies.
func New(cfg Config, st *store.Store, b Broker, fleet Fleet, metrics *Metrics, logger *slog.Logger) *Service {
	return &Service{
		cfg: cfg, store: st, broker: b, fleet: fleet, metrics: metrics,
		log: logger.With(slog.String(logging.KeyComponent, "session")),
	}
}

// Retryable reports whether trying again may mend err.
func Retryable(err error) bool {
	switch control.CodeOf(err) {
	case control.CodeUnavailable, control.CodeTimeout, control.CodeInternal:
		return true
	default:
		return false
	}
}

var (
	errSessionNotFound = control.Errorf(control.CodeNotFound, "there is no such session")
	errUserNotFound    = control.Errorf(control.CodeNotFound, "there is no such user in the session")
	errSessionClosed   = control.Errorf(control.CodeGone, "the session is closed")
	errReplacedJoin    = control.Errorf(control.CodeConflict, "the user has rejoined since")
	errEndedJoin       = control.Errorf(control.CodeConflict, "the user has left again since")
	errStaleEpoch      = control.Errorf(control.CodeStaleEpoch, "the session has moved on to another epoch")
	errBusy            = control.Errorf(control.CodeUnavailable, "too many changes at the same moment")
)

// active reads the session of r. Errors: not_found, gone.
func (s *Service) active(ctx context.Context, r Request) (*control.Session, error) {
	sess, err := s.store.Sessions.Get(ctx, r.Session)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, errSessionNotFound
	case err != nil:
		return nil, err
	case sess.State != control.SessionActive:
		return nil, errSessionClosed
	default:
		return sess, nil
	}
}

// present reads the session of r and the user p in it. Errors: those of active; not_found for a user that is not there,
// conflict for one that has rejoined since.
func (s *Service) present(ctx context.Context, r Request, p message.Presence) (*control.Session, *control.User, error) {
	sess, err := s.active(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	user := sess.User(p.User)
	switch {
	case user == nil:
		return nil, nil, errUserNotFound
	case user.Join != p.Join:
		return nil, nil, errReplacedJoin
	default:
		return sess, user, nil
	}
}

// inEpoch is present for a request of a connection. Errors: also stale_epoch.
func (s *Service) inEpoch(
	ctx context.Context, r Request, p message.Presence, epoch int64,
) (*control.Session, *control.User, error) {
	sess, user, err := s.present(ctx, r, p)
	if err == nil && sess.Epoch != epoch {
		return nil, nil, errStaleEpoch
	}
	return sess, user, err
}

// failed tells the user of a request that will not be tried again why, and passes err on. A stale epoch is answered
// with the present one.
func (s *Service) failed(ctx context.Context, r Request, p message.Presence, err error) error {
	if err == nil || Retryable(err) && !r.Last {
		return err
	}
	sess, _, lost := s.present(ctx, r, p)
	if lost != nil {
		return err // nobody is there to be told
	}
	told := userMessage{
		ID: control.DeriveID(r.ID, message.UserTypeError), Type: message.UserTypeError, Epoch: sess.Epoch,
		Data: message.ErrorData{Code: control.CodeOf(err), Detail: detailOf(err), Request: r.ID},
	}
	if errors.Is(err, errStaleEpoch) {
		told.ID, told.Type = control.DeriveID(r.ID, message.UserTypeReconnect), message.UserTypeReconnect
		told.Data = message.EpochData{Epoch: sess.Epoch, Reason: "stale-epoch"}
	}
	if sendErr := s.toUser(ctx, r, p.User, told); sendErr != nil {
		return errors.Join(err, sendErr)
	}
	return err
}

// detailOf is what a user may read of err.
func detailOf(err error) string {
	var coded *control.Error
	if errors.As(err, &coded) {
		return coded.Detail
	}
	return "the request failed"
}

// audit appends what was done to the audit. Its id is made of the request's, so that a repetition adds nothing.
func (s *Service) audit(ctx context.Context, r Request, actor, action, object, reason string) error {
	if actor == "" {
		actor = "wrapper:" + s.cfg.Replica
	}
	return s.store.Audit.Append(ctx, control.AuditEntry{
		ID: r.ID + "." + action, Time: time.Now().UTC(), Actor: actor, Action: action, Object: object, Reason: reason,
		Result: "ok",
	})
}
