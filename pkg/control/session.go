// Package control holds the nouns that every part of Orkestro shares: sessions, users, connections, media servers,
// their ids, states and error codes. It knows neither HTTP nor broker, database or media. Field tags spell the names
// under which documents are stored; docs/naming.md defines the words.
package control

import "time"

// SessionState says whether a session takes requests.
type SessionState string

// A session is active until it is closed; while closing its media and queues are being released.
const (
	SessionActive  SessionState = "active"
	SessionClosing SessionState = "closing"
	SessionClosed  SessionState = "closed"
)

// Session is one document of the collection "sessions": the truth about one session. SDP is kept apart, in
// [Negotiation], because the offers of a large session exceed a document's limit.
type Session struct {
	ID           SessionID     `bson:"_id"`
	Schema       int           `bson:"schema" json:"-"` // [Schema] of the build that inserted it
	State        SessionState  `bson:"state"`
	CreatedAt    time.Time     `bson:"createdAt"`
	CreatedBy    string        `bson:"createdBy"` // id of the create request: a second delivery recognises its own
	Metadata     Metadata      `bson:"metadata"`
	MaxUsers     int           `bson:"maxUsers"` // 0: no limit but the system's
	Region       string        `bson:"region"`   // "": anywhere
	EmptyTimeout time.Duration `bson:"emptyTimeout"`
	Epoch        int64         `bson:"epoch"`      // how many pipelines there have been
	Pipeline     *PipelineRef  `bson:"pipeline"`   // nil before the first join
	PipelineAt   time.Time     `bson:"pipelineAt"` // when Pipeline was stored
	Relocation   *Relocation   `bson:"relocation"` // nil unless it is being moved to Pipeline
	Restoring    bool          `bson:"restoring"`  // its exchange is being made again, with everybody on it
	Users        []User        `bson:"users"`
	Leaving      []User        `bson:"-"`           // those of users that are being taken out: see User.Leaving
	Connections  []Connection  `bson:"connections"` // while it is being moved also those of the epoch before
	Ended        []JoinID      `bson:"ended"`       // joins that ended lately: no request brings one back
	EmptySince   *time.Time    `bson:"emptySince"`  // since when nobody is in it; nil while somebody is
	ClosedAt     *time.Time    `bson:"closedAt"`
	CloseReason  string        `bson:"closeReason"`
	Cleared      bool          `bson:"cleared"`  // what late requests left of its queues was deleted after the end
	ExpireAt     *time.Time    `bson:"expireAt"` // when a closed session is forgotten and its id free again
}

// Relocation is a move that goes on: Pipeline is the new one, and the one before stays until everybody is connected to
// the new, or the time is up.
type Relocation struct {
	From  PipelineRef `bson:"from"`
	Epoch int64       `bson:"epoch"` // that of From
	Since time.Time   `bson:"since"`
	Until time.Time   `bson:"until"` // when From is released in any case
}

// PipelineIn is the live pipeline that the session has under an epoch, nil if it has none. While it is being moved it
// has two.
func (s *Session) PipelineIn(epoch int64) *PipelineRef {
	switch {
	case epoch == s.Epoch:
		return s.Pipeline
	case s.Relocation != nil && epoch == s.Relocation.Epoch:
		return &s.Relocation.From
	default:
		return nil
	}
}

// Pipelines are the live ones of the session: two while it is being moved.
func (s *Session) Pipelines() []PipelineRef {
	var live []PipelineRef
	if s.Pipeline != nil {
		live = append(live, *s.Pipeline)
	}
	if s.Relocation != nil {
		live = append(live, s.Relocation.From)
	}
	return live
}

// User finds a user by id, nil if it is not in the session.
func (s *Session) User(id UserID) *User {
	for i := range s.Users {
		if s.Users[i].ID == id {
			return &s.Users[i]
		}
	}
	return nil
}

// Connection finds the connection of a user's present join in the present epoch, nil if there is none.
func (s *Session) Connection(user UserID, kind ConnectionKind) *Connection {
	for i := range s.Connections {
		c := &s.Connections[i]
		if c.User == user && c.Kind == kind && c.Epoch == s.Epoch {
			return c
		}
	}
	return nil
}

// Metadata is a JSON object as the caller wrote it. It is kept as text, so that every key and number comes back
// exactly; "" means {}.
type Metadata string

// MarshalJSON gives the object itself.
func (m Metadata) MarshalJSON() ([]byte, error) {
	if m == "" {
		return []byte("{}"), nil
	}
	return []byte(m), nil
}

// UnmarshalJSON keeps the object as it is written.
func (m *Metadata) UnmarshalJSON(data []byte) error {
	*m = Metadata(data)
	return nil
}

// UserState says whether a user's media is well.
type UserState string

// A user is reconnecting while a connection of it has failed or its media server is gone.
const (
	UserJoined       UserState = "joined"
	UserReconnecting UserState = "reconnecting"
)

// Protocol is how a user is in its session.
type Protocol string

// A user of the HTTP API, the zero value, has a queue of messages. One of WHIP (RFC 9725) has none: its client can be
// told nothing.
const (
	ProtocolAPI  Protocol = ""
	ProtocolWHIP Protocol = "whip"
)

// User is one person's presence in one session.
type User struct {
	ID            UserID        `bson:"id"`
	Name          string        `bson:"name"`
	Protocol      Protocol      `bson:"protocol,omitempty"`
	Metadata      Metadata      `bson:"metadata"`
	State         UserState     `bson:"state"`
	JoinedAt      time.Time     `bson:"joinedAt"`
	Join          JoinID        `bson:"join"`
	Permissions   Permissions   `bson:"permissions"`
	Streams       []Stream      `bson:"streams"`
	StreamsRev    int64         `bson:"streamsRev"` // counts the changes of Streams: a guard of their writers
	Subscriptions Subscriptions `bson:"subscriptions"`
	SubscribedBy  string        `bson:"subscribedBy"` // id of the request that set Subscriptions: older ones are ignored
	Failures      int           `bson:"failures"`     // failed connections since media last flowed
	Added         string        `bson:"added"`        // id of the message user-joined that tells of it
	Told          bool          `bson:"told"`         // everybody has got that message: the next may follow
	// Leaving is the reason why this user is being taken out. From then on it is no longer in the session: a session that
	// was read has it in Leaving, not in Users. It is kept until everybody has been told.
	Leaving string `bson:"leaving"`
}

// Permissions says what a user may do.
type Permissions struct {
	Publish   bool `bson:"publish" json:"publish"`
	Subscribe bool `bson:"subscribe" json:"subscribe"`
	Message   bool `bson:"message" json:"message"`
}

// StreamState says whether a stream is forwarded.
type StreamState string

// A paused stream stays known and negotiated, but nothing of it is forwarded.
const (
	StreamActive StreamState = "active"
	StreamPaused StreamState = "paused"
)

// Kinds of media in a stream, in the order in which they are listed.
const (
	KindAudio = "audio"
	KindVideo = "video"
	KindData  = "data"
)

// Stream is what one user publishes under one msid. PausedKinds is the part that is paused; State is paused when all
// of it is. The ids of the messages about it are kept, so that whoever has to tell of it again uses the same.
type Stream struct {
	ID          StreamID    `bson:"id" json:"id"`
	User        UserID      `bson:"user" json:"user"`
	Kinds       []string    `bson:"kinds" json:"kinds"`
	State       StreamState `bson:"state" json:"state"`
	PausedKinds []string    `bson:"pausedKinds" json:"pausedKinds,omitempty"`
	PausedBy    string      `bson:"pausedBy" json:"-"` // id of the request that changed this last: older ones lose
	Join        JoinID      `bson:"join" json:"-"`     // of the user when it published this
	Added       string      `bson:"added" json:"-"`    // id of the message stream-added that told of it
	Told        bool        `bson:"told" json:"-"`     // everybody has got that message: the next may follow
	Updated     string      `bson:"updated" json:"-"`  // id of the last message stream-updated about it, "" for none
	Going       bool        `bson:"going" json:"-"`    // an offer has dropped it, and everybody is told: nobody sees it
}

// Published is the streams of a user without those that are going.
func (u *User) Published() []Stream {
	streams := make([]Stream, 0, len(u.Streams))
	for _, s := range u.Streams {
		if !s.Going {
			streams = append(streams, s)
		}
	}
	return streams
}

// SubscriptionMode says how a user's streams are chosen.
type SubscriptionMode string

// SubscribeAll, the default, means every stream of the others; SubscribeList only those listed.
const (
	SubscribeAll  SubscriptionMode = "all"
	SubscribeList SubscriptionMode = "list"
)

// Subscriptions is what a user wants to receive. The zero value means all.
type Subscriptions struct {
	Mode    SubscriptionMode `bson:"mode" json:"mode"`
	Streams []Subscription   `bson:"streams" json:"streams,omitempty"`
}

// Subscription is the wish for one stream. No kinds means all of them; MaxLayer limits the simulcast or SVC layer, nil:
// no limit.
type Subscription struct {
	ID       StreamID `bson:"id" json:"id"`
	Kinds    []string `bson:"kinds" json:"kinds,omitempty"`
	MaxLayer *int     `bson:"maxLayer" json:"maxLayer,omitempty"`
}

// StreamQuality is what a subscriber is sent of a video stream: Layer of Layers, 0 being the smallest picture. Layer is
// -1 while nothing is sent. Limit is why it is not more.
type StreamQuality struct {
	ID     StreamID     `json:"id"`
	Layer  int          `json:"layer"`
	Layers int          `json:"layers"`
	Limit  QualityLimit `json:"limit"`
}

// QualityLimit says what keeps a layer from being a higher one.
type QualityLimit string

// The limits. The publisher is the limit when the highest layer that it sends is sent on.
const (
	LimitedByPublisher QualityLimit = "publisher"
	LimitedByBandwidth QualityLimit = "bandwidth"
	LimitedByMaxLayer  QualityLimit = "maxLayer"
)
