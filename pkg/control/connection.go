package control

import (
	"slices"
	"time"
)

// ConnectionKind says which of a user's two WebRTC connections is meant.
type ConnectionKind string

// The client offers on the publish connection, the server on the subscribe connection. A view is the connection of a
// viewer (WHEP), who offers and is no user: it has a [Negotiation] and no [Connection].
const (
	Publish   ConnectionKind = "publish"
	Subscribe ConnectionKind = "subscribe"
	View      ConnectionKind = "view"
)

// ViewOf is what a viewer watches: one stream, or what one user publishes, or, when both are "", whatever is published.
type ViewOf struct {
	User   UserID   `json:"user,omitempty"`
	Stream StreamID `json:"stream,omitempty"`
}

// ConnectionState is what the media server last saw of a connection.
type ConnectionState string

// Disconnected often heals by itself; failed does not (ICE, RFC 8445). Closed means stopped by its user.
const (
	ConnectionNew          ConnectionState = "new"
	ConnectionConnecting   ConnectionState = "connecting"
	ConnectionConnected    ConnectionState = "connected"
	ConnectionDisconnected ConnectionState = "disconnected"
	ConnectionFailed       ConnectionState = "failed"
	ConnectionClosed       ConnectionState = "closed"
)

// PipelineRef is the handle of a live pipeline: enough to attach to it from any process. It is stored as
// {id, server, instance}.
type PipelineRef struct {
	ID       string        `bson:"id" json:"id"`
	Server   MediaServerID `bson:"server" json:"server"`
	Instance InstanceID    `bson:"instance" json:"-"`
}

// EndpointRef is the handle of a live endpoint. Only its id is stored; reading a session gives it the session's
// pipeline back, so that it attaches to its server from any process.
type EndpointRef struct {
	ID       string
	Pipeline PipelineRef
}

// Connection is one WebRTC connection of a user under one epoch; on the media server it is one endpoint.
type Connection struct {
	ID        string          `bson:"id"` // "<kind>/<user>"
	User      UserID          `bson:"user"`
	Kind      ConnectionKind  `bson:"kind"`
	Join      JoinID          `bson:"join"`
	Endpoint  EndpointRef     `bson:"endpoint"`
	Epoch     int64           `bson:"epoch"`
	Seq       int64           `bson:"seq"` // last offer that was answered (publish) or made (subscribe)
	State     ConnectionState `bson:"state"`
	StateSeq  int64           `bson:"stateSeq"` // number of the event that State came with: older ones are ignored
	ChangedAt time.Time       `bson:"changedAt"`
	// RequestedBy is the id of the last request to offer or to stop (subscribe): older ones are ignored.
	RequestedBy string `bson:"requestedBy"`
}

// Negotiation is the SDP of one connection, one document of the collection "negotiations" with the id
// "<session>/<user>/<kind>". It starts anew with a new join or epoch.
//
// Publish: the REST replica that takes an offer counts Accepted up before it queues it, so that a skipped or repeated
// seq is told apart at once; the Wrapper stores each answer before it sends it. Subscribe: Seq and Offer are the
// server's last offer, AnsweredSeq the last one that the client answered.
//
// Where a client restarts ICE by naming what is new of its offer only (WHIP, WHEP), Offer is its last one. A view is
// all in its negotiation: User and Join are the viewer, Endpoint is what it is connected to.
type Negotiation struct {
	ID          string         `bson:"_id"`
	Session     SessionID      `bson:"session"`
	User        UserID         `bson:"user"`
	Kind        ConnectionKind `bson:"kind"`
	Join        JoinID         `bson:"join"`
	Epoch       int64          `bson:"epoch"`
	Accepted    int64          `bson:"accepted"`
	Seq         int64          `bson:"seq"`
	AnsweredSeq int64          `bson:"answeredSeq"`
	Offer       string         `bson:"offer"`
	Answers     []SDPAnswer    `bson:"answers"` // the last few, by seq
	Endpoint    string         `bson:"endpoint,omitempty"`
	UpdatedAt   time.Time      `bson:"updatedAt"`
}

// SDPAnswer is what the offer Seq was answered with: an SDP, or the Code and Detail of why there is none. An offer is
// answered again if the endpoint that did is released before that counted.
type SDPAnswer struct {
	Seq      int64  `bson:"seq"`
	Endpoint string `bson:"endpoint"` // that answered; "" for a refusal, and in what builds before this field wrote
	SDP      string `bson:"sdp"`
	Code     Code   `bson:"code"`
	Detail   string `bson:"detail"`
}

// AnswerBy is what an endpoint answered to offer seq, or why it was refused; nil if that is not kept (any more).
func (n *Negotiation) AnswerBy(endpoint string, seq int64) *SDPAnswer {
	i := slices.IndexFunc(n.Answers, func(a SDPAnswer) bool {
		return a.Seq == seq && (a.Endpoint == endpoint || a.Endpoint == "")
	})
	if i < 0 {
		return nil
	}
	return &n.Answers[i]
}

// NegotiationID is the document id of a connection's [Negotiation].
func NegotiationID(session SessionID, user UserID, kind ConnectionKind) string {
	return string(session) + "/" + string(user) + "/" + string(kind)
}

// Presence says when a user was last heard of (poll or event stream); one document of the collection "presence" with
// the id "<session>/<user>", kept apart from the session because it is written so often.
type Presence struct {
	ID      string    `bson:"_id"`
	Session SessionID `bson:"session"`
	User    UserID    `bson:"user"`
	SeenAt  time.Time `bson:"seenAt"`
	Behind  bool      `bson:"behind"` // it lost messages because its queue was full, and needs a sync
}

// Candidate is an ICE candidate as a browser writes it (W3C WebRTC 1.0, RTCIceCandidateInit).
type Candidate struct {
	Candidate        string  `bson:"candidate" json:"candidate"`
	SDPMid           *string `bson:"sdpMid" json:"sdpMid,omitempty"`
	SDPMLineIndex    *uint16 `bson:"sdpMLineIndex" json:"sdpMLineIndex,omitempty"`
	UsernameFragment *string `bson:"usernameFragment" json:"usernameFragment,omitempty"`
}

// ICEServer is a STUN or TURN server for clients (W3C WebRTC 1.0, RTCIceServer).
type ICEServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}
