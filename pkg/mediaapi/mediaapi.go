// Package mediaapi is the JSON-RPC contract between a Wrapper and a media server, on top of the Kurento Protocol: the
// module "orkestro" and its shapes. Two endpoint types serve the fleet's scheme of two connections a user; both hold
// many streams and renegotiate in the same connection. A third, the ViewEndpoint, serves a viewer who is no user: it
// answers one offer, sends one audio and one video track, and follows what is published without another negotiation.
// Every call is idempotent, so that a redelivered request can be repeated on the same or another connection:
//
//   - creating a pipeline for a session and epoch that has one on this server, or an endpoint for a user and join that
//     has one in this pipeline, answers the id of the one that is there;
//   - processOffer with a seq that was processed answers what it answered then;
//   - processAnswer to an offer that was answered does nothing;
//   - of setPaused of one stream, of setSubscriptions, and of requestOffer and stop together, only the latest counts,
//     in whatever order they arrive: By is the id of the request that wants it, ids sort by time, "" always counts.
//
// The media server itself connects publish to subscribe endpoints of one pipeline, as the subscriptions say.
package mediaapi

import "github.com/orkestro/orkestro/pkg/control"

// Types of the media objects that a Wrapper uses, with their module.
const (
	TypeMediaPipeline     = "kurento.MediaPipeline"
	TypePublishEndpoint   = "orkestro.PublishEndpoint"
	TypeSubscribeEndpoint = "orkestro.SubscribeEndpoint"
	TypeViewEndpoint      = "orkestro.ViewEndpoint"
)

// Operations of the endpoint types.
const (
	OpProcessOffer     = "processOffer"     // PublishEndpoint, ViewEndpoint: ProcessOffer -> ProcessedOffer
	OpSetPaused        = "setPaused"        // PublishEndpoint: SetPaused -> void
	OpProcessAnswer    = "processAnswer"    // SubscribeEndpoint: ProcessAnswer -> void
	OpRequestOffer     = "requestOffer"     // SubscribeEndpoint: RequestOffer -> void; the offer comes as an event
	OpSetSubscriptions = "setSubscriptions" // SubscribeEndpoint: SetSubscriptions -> void
	OpStop             = "stop"             // SubscribeEndpoint: Stop -> void; no media until requestOffer
	OpAddICECandidates = "addIceCandidates" // all: AddICECandidates -> void
)

// ServerManagerID is the id of the one ServerManager object of every media server.
const ServerManagerID = "manager_ServerManager"

// OpFleetPipelines is an operation of the ServerManager: no parameters -> []FleetPipeline, all that were made for a
// session.
const OpFleetPipelines = "getFleetPipelines"

// FleetPipeline is a live pipeline that was made for an epoch of a session.
type FleetPipeline struct {
	ID      string            `json:"id"`
	Session control.SessionID `json:"session"`
	Epoch   int64             `json:"epoch"`
}

// OpFleetEndpoints is an operation of the ServerManager: no parameters -> []FleetEndpoint, all that were made for a
// user.
const OpFleetEndpoints = "getFleetEndpoints"

// OpFleetViews is an operation of the ServerManager: no parameters -> []FleetEndpoint, all ViewEndpoints, whose User
// and Join are the viewer.
const OpFleetViews = "getFleetViews"

// FleetEndpoint is a live endpoint that was made for a user's presence in a session.
type FleetEndpoint struct {
	ID       string         `json:"id"`
	Pipeline string         `json:"pipeline"`
	User     control.UserID `json:"user"`
	Join     control.JoinID `json:"join"`
}

// Tags that a fleet pipeline carries.
const (
	TagSession = "session"
	TagEpoch   = "epoch"
)

// PipelineParams are the constructorParams of a MediaPipeline of the fleet; all empty for anybody else's.
type PipelineParams struct {
	Session control.SessionID `json:"session,omitempty"`
	Epoch   int64             `json:"epoch,omitempty"`
}

// EndpointParams are the constructorParams of the endpoint types. Subscriptions is for SubscribeEndpoint only, Of for
// ViewEndpoint, whose User and Join are the viewer's.
type EndpointParams struct {
	MediaPipeline string                 `json:"mediaPipeline"`
	User          control.UserID         `json:"user"`
	Join          control.JoinID         `json:"join"`
	Subscriptions *control.Subscriptions `json:"subscriptions,omitempty"`
	Of            *control.ViewOf        `json:"of,omitempty"`
}

// ProcessOffer are the parameters of processOffer. An offer with another SDP session id (RFC 8866 section 5.2) than the
// one before is of a fresh peer connection, which replaces the old one; a ViewEndpoint has one only.
type ProcessOffer struct {
	Offer string `json:"offer"`
	Seq   int64  `json:"seq"`
}

// ProcessedOffer is the result of processOffer: the answer, with all host candidates, and the streams that the offer
// publishes.
type ProcessedOffer struct {
	Seq     int64             `json:"seq"`
	Answer  string            `json:"answer"`
	Streams []PublishedStream `json:"streams"`
}

// PublishedStream is one stream of an offer; its id is [control.StreamIDFor] the user and msid.
type PublishedStream struct {
	ID    control.StreamID `json:"id"`
	Kinds []string         `json:"kinds"`
}

// SetPaused are the parameters of setPaused: PausedKinds is the whole of what is paused from now on, none: nothing.
type SetPaused struct {
	Stream      control.StreamID `json:"stream"`
	PausedKinds []string         `json:"pausedKinds"`
	By          string           `json:"by,omitempty"`
}

// ProcessAnswer are the parameters of processAnswer.
type ProcessAnswer struct {
	Answer string `json:"answer"`
	Seq    int64  `json:"seq"`
}

// RequestOffer are the parameters of requestOffer: Fresh starts a new peer connection.
type RequestOffer struct {
	Fresh      bool   `json:"fresh"`
	ICERestart bool   `json:"iceRestart"`
	By         string `json:"by,omitempty"`
}

// Stop are the parameters of stop.
type Stop struct {
	By string `json:"by,omitempty"`
}

// SetSubscriptions are the parameters of setSubscriptions.
type SetSubscriptions struct {
	Subscriptions control.Subscriptions `json:"subscriptions"`
	By            string                `json:"by,omitempty"`
}

// AddICECandidates are the parameters of addIceCandidates; End marks the last.
type AddICECandidates struct {
	Candidates []control.Candidate `json:"candidates"`
	End        bool                `json:"end"`
}

// ErrorCode is a code of the Kurento Protocol (section 4 of it) or of JSON-RPC 2.0.
type ErrorCode int

// The codes that a Wrapper tells apart.
const (
	CodeNotEnoughResources ErrorCode = 40009
	CodeObjectNotFound     ErrorCode = 40101
	CodeSDPParse           ErrorCode = 40201
	CodeSDPProcessOffer    ErrorCode = 40205
	CodeSDPProcessAnswer   ErrorCode = 40206
	CodeNotOfferGenerated  ErrorCode = 40209
	CodeICEAddCandidate    ErrorCode = 40401
)
