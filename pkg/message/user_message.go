package message

import (
	"encoding/json"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
)

// Types of user messages (HTTP API contract, "Messages").
const (
	UserTypeJoined           = "joined"
	UserTypeSync             = "sync"
	UserTypeUserJoined       = "user-joined"
	UserTypeUserLeft         = "user-left"
	UserTypeStreamAdded      = "stream-added"
	UserTypeStreamUpdated    = "stream-updated"
	UserTypeStreamRemoved    = "stream-removed"
	UserTypeAnswer           = "answer"
	UserTypeOffer            = "offer"
	UserTypeCandidate        = "candidate"
	UserTypeConnectionState  = "connection-state"
	UserTypeConnectionFailed = "connection-failed"
	UserTypeDisconnected     = "disconnected"
	UserTypeReconnect        = "reconnect"
	UserTypeICEServers       = "ice-servers"
	UserTypeQuality          = "quality"
	UserTypeSpeakers         = "speakers"
	UserTypeMessage          = "message"
	UserTypeError            = "error"
	UserTypeSessionClosed    = "session-closed"
)

// UserMessage is what a client gets from a poll: the body of a broker message on a user queue, passed on byte for byte.
type UserMessage struct {
	ID      string            `json:"id"`
	Type    string            `json:"type"`
	Time    Time              `json:"time"`
	Session control.SessionID `json:"session"`
	From    control.UserID    `json:"from,omitempty"`
	Epoch   int64             `json:"epoch"`
	Data    json.RawMessage   `json:"data"`
}

// Time is written as RFC 3339 in UTC with milliseconds, as everything in the HTTP API.
type Time time.Time

const timeLayout = "2006-01-02T15:04:05.000Z"

// MarshalJSON writes the time.
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(`"` + time.Time(t).UTC().Format(timeLayout) + `"`), nil
}

// UnmarshalJSON reads any RFC 3339 time.
func (t *Time) UnmarshalJSON(data []byte) error {
	var parsed time.Time
	if err := parsed.UnmarshalJSON(data); err != nil {
		return err
	}
	*t = Time(parsed)
	return nil
}

// User is a user as clients see it.
type User struct {
	ID          control.UserID      `json:"id"`
	Name        string              `json:"name"`
	Protocol    control.Protocol    `json:"protocol,omitempty" doc:"How it is here: whip, or not given."`
	Metadata    control.Metadata    `json:"metadata"`
	State       control.UserState   `json:"state"`
	JoinedAt    Time                `json:"joinedAt"`
	Permissions control.Permissions `json:"permissions"`
	Streams     []control.Stream    `json:"streams"`
}

// NewUser is u as clients see it.
func NewUser(u control.User) User {
	return User{
		ID: u.ID, Name: u.Name, Protocol: u.Protocol, Metadata: u.Metadata, State: u.State,
		JoinedAt: Time(u.JoinedAt), Permissions: u.Permissions, Streams: u.Published(),
	}
}

// NewUsers is all of users as clients see them, never nil.
func NewUsers(users []control.User) []User {
	list := make([]User, 0, len(users))
	for _, u := range users {
		list = append(list, NewUser(u))
	}
	return list
}

// The data of user messages, in the order of the contract's table.
type (
	// JoinedData is the data of "joined".
	JoinedData struct {
		User       User                `json:"user"`
		Users      []User              `json:"users"`
		ICEServers []control.ICEServer `json:"iceServers"`
		Epoch      int64               `json:"epoch"`
	}
	// SyncData is the data of "sync": everything a client needs to go on without its earlier messages.
	SyncData struct {
		Users       []User              `json:"users"`
		ICEServers  []control.ICEServer `json:"iceServers"`
		Epoch       int64               `json:"epoch"`
		Connections []SyncConnection    `json:"connections"`
	}
	// SyncConnection is one of the user's own connections; Answer or Offer is the SDP that is pending.
	SyncConnection struct {
		Kind   control.ConnectionKind  `json:"kind"`
		Seq    int64                   `json:"seq"`
		State  control.ConnectionState `json:"state"`
		Answer string                  `json:"answer,omitempty"`
		Offer  string                  `json:"offer,omitempty"`
	}
	// UserJoinedData is the data of "user-joined".
	UserJoinedData struct {
		User User `json:"user"`
	}
	// UserLeftData is the data of "user-left"; Reason is left, removed or timeout.
	UserLeftData struct {
		User   User   `json:"user"`
		Reason string `json:"reason"`
	}
	// StreamData is the data of "stream-added", "stream-updated" and "stream-removed".
	StreamData struct {
		Stream control.Stream `json:"stream"`
	}
	// SDPData is the data of "answer" and "offer".
	SDPData struct {
		Connection control.ConnectionKind `json:"connection"`
		Seq        int64                  `json:"seq"`
		Epoch      int64                  `json:"epoch"`
		SDP        string                 `json:"sdp"`
	}
	// CandidateData is the data of "candidate".
	CandidateData struct {
		Connection control.ConnectionKind `json:"connection"`
		Epoch      int64                  `json:"epoch"`
		Candidate  *control.Candidate     `json:"candidate,omitempty"`
		End        bool                   `json:"end,omitempty"`
	}
	// ConnectionStateData is the data of "connection-state".
	ConnectionStateData struct {
		Connection control.ConnectionKind  `json:"connection"`
		Epoch      int64                   `json:"epoch"`
		State      control.ConnectionState `json:"state"`
	}
	// ConnectionFailedData is the data of "connection-failed".
	ConnectionFailedData struct {
		Connection control.ConnectionKind `json:"connection"`
		Epoch      int64                  `json:"epoch"`
		Retry      bool                   `json:"retry"`
	}
	// EpochData is the data of "disconnected" and "reconnect".
	EpochData struct {
		Epoch  int64  `json:"epoch"`
		Reason string `json:"reason"`
	}
	// ICEServersData is the data of "ice-servers".
	ICEServersData struct {
		ICEServers []control.ICEServer `json:"iceServers"`
	}
	// QualityData is the data of "quality": what the user is sent of each video stream that has several layers. Bandwidth
	// is the estimate that it was chosen by, in bits per second; 0: unknown.
	QualityData struct {
		Epoch     int64                   `json:"epoch"`
		Seq       int64                   `json:"seq"` // one that is not higher than the last of the epoch is void
		Bandwidth int64                   `json:"bandwidth"`
		Streams   []control.StreamQuality `json:"streams"`
	}
	// SpeakersData is the data of "speakers": the streams that are heard now, loudest first.
	SpeakersData struct {
		Epoch    int64     `json:"epoch"`
		Seq      int64     `json:"seq"` // one that is not higher than the last of the epoch is void
		Speakers []Speaker `json:"speakers"`
	}
	// Speaker is one stream that is heard, and whose it is.
	Speaker struct {
		User   control.UserID   `json:"user"`
		Stream control.StreamID `json:"stream"`
	}
	// ApplicationData is the data of "message".
	ApplicationData struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
		To   control.UserID  `json:"to,omitempty"`
	}
	// ErrorData is the data of "error": a request that was accepted and then failed. Request is its id.
	ErrorData struct {
		Code    control.Code `json:"code"`
		Detail  string       `json:"detail"`
		Request string       `json:"request,omitempty"`
	}
	// SessionClosedData is the data of "session-closed".
	SessionClosedData struct {
		Reason string `json:"reason"`
	}
)
