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
	"log/slog"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/services/wrapper/internal/placement"
)

// guardTries bounds how often a request is looked at again after somebody else was faster. Chosen: more than the
// Wrappers that may ever handle one session at the same moment.
const guardTries = 16

// Broker is the part of the message broker that sessions use.
type Broker interface {
	broker.Topology
	broker.Publisher
	Inspect(ctx context.Context, queue string) (broker.Info, error)
}

// Config are the rules of sessions.
type Config struct {
	ICEServers  []control.ICEServer // told to clients
	MaxFailures int                 // failed connections in a row after which a user is removed
	Forget      time.Duration       // how long a closed session is remembered
	Replica     string              // id of this Wrapper, for the audit
	// Admit is why a media server is given no sessions although it could take them, "" if it is; nil: all are.
	Admit func(control.MediaServer) string
}

// Request is the envelope of what is handled. Last says that it will not be tried again.
type Request struct {
	ID          string
	Made        time.Time // when it was first asked for
	Session     control.SessionID
	TraceParent string
	Last        bool
}

// Service handles requests: each of its parts those about one thing, in the files of that name. The parts stand on the
// same three floors, which are one embedded in the next:
//
//	lifecycle  users  publishing  subscribing  connections     one method a request or event
//	endpoints                                                  the media server's side of a connection
//	pipelines                                                  the media server's side of a session
//	teller                                                     messages to users, and to the session's own queue
//	reader                                                     what the store says of the session, and the audit
//
// Safe for concurrent use.
type Service struct {
	*lifecycle
	*users
	*publishing
	*subscribing
	*connections
	*viewing
}

type (
	// lifecycle makes, closes and rebuilds sessions.
	lifecycle struct{ *endpoints }
	// users takes people in and out.
	users struct{ *endpoints }
	// publishing handles offers and what they publish.
	publishing struct{ *endpoints }
	// subscribing handles what users receive.
	subscribing struct{ *endpoints }
	// connections handles candidates and what media servers say of endpoints.
	connections struct{ *endpoints }
)

// New is a service over its dependencies.
func New(cfg Config, st *store.Store, b Broker, fleet Fleet, metrics *Metrics, logger *slog.Logger) *Service {
	log := logger.With(slog.String(logging.KeyComponent, "session"))
	read := &reader{cfg: cfg, store: st, log: log}
	floor := &endpoints{&pipelines{
		teller: &teller{reader: read, broker: b}, fleet: fleet, places: placement.NewPlaces(), metrics: metrics,
	}}
	return &Service{
		&lifecycle{floor}, &users{floor}, &publishing{floor}, &subscribing{floor}, &connections{floor}, &viewing{floor},
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
