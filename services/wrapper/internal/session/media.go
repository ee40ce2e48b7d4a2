package session

import (
	"context"
	"errors"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
)

// ErrObjectGone is what a [Media] returns for an object that its server does not have (code 40101 of the Kurento
// Protocol).
var ErrObjectGone = errors.New("session: the media server has no such object")

// ErrOutOfReach is unavailable for a request whose media server this Wrapper does not reach. Another one may.
var ErrOutOfReach = control.Errorf(control.CodeUnavailable, "the media server cannot be reached")

// Media is one media server. Every call is idempotent (package mediaapi). Errors: [ErrObjectGone]; invalid for an SDP
// or candidate that the server refuses; no_capacity; unavailable and timeout when it could not be asked.
type Media interface {
	Pipelines
	Endpoints
	Negotiator
}

// Pipelines makes and releases. Release of what is not there succeeds.
type Pipelines interface {
	CreatePipeline(ctx context.Context, p mediaapi.PipelineParams) (id string, err error)
	CreatePublishEndpoint(ctx context.Context, p mediaapi.EndpointParams) (id string, err error)
	CreateSubscribeEndpoint(ctx context.Context, p mediaapi.EndpointParams) (id string, err error)
	CreateViewEndpoint(ctx context.Context, p mediaapi.EndpointParams) (id string, err error)
	Release(ctx context.Context, id string) error
}

// Endpoints sets what flows.
type Endpoints interface {
	SetPaused(ctx context.Context, endpoint string, p mediaapi.SetPaused) error
	SetSubscriptions(ctx context.Context, endpoint string, p mediaapi.SetSubscriptions) error
	Stop(ctx context.Context, endpoint string, p mediaapi.Stop) error
}

// Negotiator exchanges SDP and candidates.
type Negotiator interface {
	ProcessOffer(ctx context.Context, endpoint string, p mediaapi.ProcessOffer) (mediaapi.ProcessedOffer, error)
	ProcessAnswer(ctx context.Context, endpoint string, p mediaapi.ProcessAnswer) error
	RequestOffer(ctx context.Context, endpoint string, p mediaapi.RequestOffer) error
	AddICECandidates(ctx context.Context, endpoint string, p mediaapi.AddICECandidates) error
}

// Fleet is the media servers.
type Fleet interface {
	// Servers lists them as they were last seen; those that this Wrapper does not reach are suspect.
	Servers() []control.MediaServer
	// Saw takes the places that are taken on one, as a reservation has found them.
	Saw(server control.MediaServer)
	// Media is a connection to one. Errors: [ErrOutOfReach].
	Media(ctx context.Context, id control.MediaServerID) (Media, error)
}
