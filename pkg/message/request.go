// Package message is the contract on the broker: the names of queues and exchanges, the types of messages and the
// shapes of their bodies. Three kinds travel: requests (REST replica to Wrapper), media events (media server to
// Wrapper) and user messages (to clients, shaped by the HTTP API contract). Bodies are JSON; Version is the schema
// version of them all. Fields are added, never renamed, so that two releases run beside each other.
package message

import (
	"encoding/json"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
)

// Version is the schema version that this build writes, and the highest that it understands. A Wrapper leaves messages
// of a higher one to newer Wrappers, so what an older release must not take by halves, a new type or a field that
// changes what a message means, is sent under a higher version; everything else under the one that it had.
const Version = 1

// Types of requests. CreateSession goes to [WrapperQueue], the others to the queue of their session. The id of the
// message is the id of the request; a repeated request has the same id.
const (
	TypeCreateSession    = "create-session"    // CreateSession -> SessionCreated
	TypeCloseSession     = "close-session"     // CloseSession -> no result
	TypeJoin             = "join"              // Join -> Joined
	TypeLeave            = "leave"             // Leave -> no result
	TypePublish          = "publish"           // Publish -> Answered
	TypeUnpublish        = "unpublish"         // Unpublish -> no result
	TypeSubscribeAnswer  = "subscribe-answer"  // SubscribeAnswer -> no result
	TypeRequestOffer     = "request-offer"     // RequestOffer -> no result
	TypeUnsubscribe      = "unsubscribe"       // Presence -> no result
	TypeAddCandidates    = "add-candidates"    // AddCandidates -> no result
	TypeSetSubscriptions = "set-subscriptions" // SetSubscriptions -> no result
	TypePauseStream      = "pause-stream"      // PauseStream -> no result
	TypeSync             = "sync"              // Presence: make the queue again if need be and send sync -> no result
	TypeQueueFull        = "queue-full"        // {}: a message to everybody met a full user queue -> no result
	TypeRebuild          = "rebuild"           // Rebuild, among Wrappers -> no result
	TypeRelocate         = "relocate"          // Relocate, among Wrappers -> no result
)

// CreateSession asks for a session. Its id is unique; the same request again finds the session of the first.
type CreateSession struct {
	ID           control.SessionID `json:"id"`
	Metadata     control.Metadata  `json:"metadata"`
	MaxUsers     int               `json:"maxUsers"`
	Region       string            `json:"region"`
	EmptyTimeout time.Duration     `json:"emptyTimeout"` // nanoseconds
	Actor        string            `json:"actor"`
}

// SessionCreated is the result of CreateSession: the session as it was inserted.
type SessionCreated struct {
	Session control.Session `json:"session"`
}

// CloseSession ends a session for everybody. Reason is "deleted" or "empty".
type CloseSession struct {
	Reason string `json:"reason"`
	Actor  string `json:"actor"`
}

// Presence names the user that a request is about. Join is the presence under which the request was accepted; the
// Wrapper drops a request of an earlier one. Every request below begins with it.
type Presence struct {
	User control.UserID `json:"user"`
	Join control.JoinID `json:"join"`
}

// Join brings a user into the session. The id of the message is the new JoinID. Replaces is the join that a rejoin
// takes the place of, "" for a user that was not there; KeepProfile leaves name, metadata and permissions as they are
// (rejoin by the user's own token).
type Join struct {
	User        control.UserID      `json:"user"`
	Replaces    control.JoinID      `json:"replaces"`
	KeepProfile bool                `json:"keepProfile"`
	Protocol    control.Protocol    `json:"protocol,omitempty"`
	Name        string              `json:"name"`
	Metadata    control.Metadata    `json:"metadata"`
	Permissions control.Permissions `json:"permissions"`
}

// Joined is the result of Join.
type Joined struct {
	User     control.User `json:"user"`
	Rejoined bool         `json:"rejoined"`
	Epoch    int64        `json:"epoch"`
}

// Leave takes a user out. Reason is "left", "removed" or "timeout". SeenAt is when a user was last heard of that leaves
// because it is silent: one that was heard of since stays. Zero: whatever was heard. Without a Join it is of nobody:
// what may be left of a user that is not in the session any more, and was last heard of at SeenAt, is removed.
type Leave struct {
	Presence
	Reason string    `json:"reason"`
	Actor  string    `json:"actor"`
	SeenAt time.Time `json:"seen_at,omitzero"`
}

// Publish is an offer on the publish connection.
type Publish struct {
	Presence
	Epoch int64  `json:"epoch"`
	Seq   int64  `json:"seq"`
	SDP   string `json:"sdp"`
}

// Answered is the result of Publish.
type Answered struct {
	Epoch int64  `json:"epoch"`
	Seq   int64  `json:"seq"`
	SDP   string `json:"sdp"`
}

// Unpublish stops publishing; offers up to seq UpTo of Epoch, even if they are handled later, are void. 0 is whatever
// epoch the session is at.
type Unpublish struct {
	Presence
	Epoch int64 `json:"epoch,omitempty"`
	UpTo  int64 `json:"upTo"`
}

// SubscribeAnswer is the answer to the server's offer Seq.
type SubscribeAnswer struct {
	Presence
	Epoch int64  `json:"epoch"`
	Seq   int64  `json:"seq"`
	SDP   string `json:"sdp"`
}

// RequestOffer asks for a new offer on the subscribe connection.
type RequestOffer struct {
	Presence
	Epoch      int64 `json:"epoch"`
	Fresh      bool  `json:"fresh"`
	ICERestart bool  `json:"iceRestart"`
}

// AddCandidates brings trickled candidates of the client.
type AddCandidates struct {
	Presence
	Kind       control.ConnectionKind `json:"kind"`
	Epoch      int64                  `json:"epoch"`
	Candidates []control.Candidate    `json:"candidates"`
	End        bool                   `json:"end"`
}

// SetSubscriptions chooses what the user receives.
type SetSubscriptions struct {
	Presence
	Subscriptions control.Subscriptions `json:"subscriptions"`
}

// PauseStream pauses or resumes a stream, or only some kinds of it (none: all).
type PauseStream struct {
	Presence
	Stream control.StreamID `json:"stream"`
	Paused bool             `json:"paused"`
	Kinds  []string         `json:"kinds"`
}

// Rebuild replaces a pipeline that is lost: its server died, or no longer has it. Epoch is that of the lost pipeline;
// a session that has moved on needs only what is left to do of it. Reason is "server-down" or "relocating".
type Rebuild struct {
	Epoch    int64  `json:"epoch"`
	Pipeline string `json:"pipeline"`
	Gone     bool   `json:"gone"` // the pipeline is gone although its server is up
	Reason   string `json:"reason"`
}

// Relocate moves a session off a media server that lives, make-before-break. Epoch and Pipeline are those that it has
// there; a session that has moved on needs nothing more than what is left to do of it. Reason is why, for the audit.
type Relocate struct {
	Epoch    int64  `json:"epoch"`
	Pipeline string `json:"pipeline"`
	Reason   string `json:"reason"`
}

// TypeReply answers a request, on the queue that it named; Correlation is the request's id.
const TypeReply = "reply"

// Reply is a result, or an error when Code is not empty.
type Reply struct {
	Code         control.Code    `json:"code,omitempty"`
	Detail       string          `json:"detail,omitempty"`
	RetryAfterMS int64           `json:"retryAfterMs,omitempty"`
	Result       json.RawMessage `json:"result,omitempty"`
}

// TypeTakeMailbox tells every REST replica that Replica is about to read a user's queue: whoever else reads it ends its
// poll and lets go. Sent to [RestAPIExchange].
const TypeTakeMailbox = "take-mailbox"

// TakeMailbox is the body of [TypeTakeMailbox].
type TakeMailbox struct {
	Session control.SessionID `json:"session"`
	User    control.UserID    `json:"user"`
	Replica string            `json:"replica"`
}
