package control

import "time"

// Availability is what the operator wants of a media server.
type Availability string

// Only an active server is given new sessions.
const (
	AvailabilityActive   Availability = "active"
	AvailabilityDraining Availability = "draining"
	AvailabilityDrained  Availability = "drained"
)

// DrainThen is what happens at the deadline of a drain to the sessions that are left.
type DrainThen string

// Sessions that are left are moved to other servers, or waited for.
const (
	DrainRelocate DrainThen = "relocate"
	DrainWait     DrainThen = "wait"
)

// DrainBySignal is who drains a server whose process was asked to end: such a drain ends with the process.
// DrainByRollout begins the name of a rollout that does; its id follows.
const (
	DrainBySignal  = "signal"
	DrainByRollout = "rollout:"
)

// Drain is how a media server is being emptied, nil in the document of one that is active.
type Drain struct {
	Since     time.Time `bson:"since"`
	Deadline  time.Time `bson:"deadline"`
	Then      DrainThen `bson:"then"`
	By        string    `bson:"by"`        // "key:<name>", "rollout:<id>" or [DrainBySignal]
	Remaining int64     `bson:"remaining"` // sessions that still have media there, as last counted
	Waiting   string    `bson:"waiting"`   // why they cannot be relocated; "" if nothing is known to be in the way
}

// Status is what the fleet sees of a media server.
type Status string

// A suspect server is not given new sessions but keeps those it has.
const (
	StatusUp      Status = "up"
	StatusSuspect Status = "suspect"
	StatusDown    Status = "down"
)

// Load is what a media server carries, measured by itself and sent with each heartbeat.
type Load struct {
	CPU              float64 `bson:"cpu" json:"cpu"` // cores in use, 0 and up
	MemoryBytes      int64   `bson:"memoryBytes" json:"memoryBytes"`
	Pipelines        int     `bson:"pipelines" json:"pipelines"`
	Endpoints        int     `bson:"endpoints" json:"endpoints"`
	BitrateIn        int64   `bson:"bitrateIn" json:"bitrateIn"`   // bits per second
	BitrateOut       int64   `bson:"bitrateOut" json:"bitrateOut"` // bits per second
	PipelinesCreated int64   `bson:"pipelinesCreated" json:"-"`    // fleet pipelines ever made by this instance

	ConnectionsConnected int64 `bson:"connectionsConnected" json:"-"` // ever, by this instance
	ConnectionsFailed    int64 `bson:"connectionsFailed" json:"-"`    // likewise
}

// MediaServer is one document of the collection "mediaservers". The server itself writes identity, load and heartbeat;
// Wrappers write status and Placed; the operator's calls write availability.
type MediaServer struct {
	ID           MediaServerID `bson:"_id"`
	Schema       int           `bson:"schema"` // [Schema] of the build that registered it
	Instance     InstanceID    `bson:"instance"`
	URL          string        `bson:"url"` // ws://host:port/kurento
	Region       string        `bson:"region"`
	Version      string        `bson:"version"`
	Availability Availability  `bson:"availability"`
	Drain        *Drain        `bson:"drain"` // nil while active
	Status       Status        `bson:"status"`
	Capacity     int           `bson:"capacity"` // pipelines; 0: no limit
	Load         Load          `bson:"load"`
	Placed       int64         `bson:"placed"` // fleet pipelines ever placed on this instance, counted before made
	StartedAt    time.Time     `bson:"startedAt"`
	HeartbeatAt  time.Time     `bson:"heartbeatAt"`
	Lost         InstanceID    `bson:"lost"`        // the last instance whose loss was acted on
	SuspectedBy  []string      `bson:"suspectedBy"` // ids of the Wrappers that find this instance gone
	Membership   *Membership   `bson:"membership"`  // nil: it presents none
}

// Membership is what a media server presents to be given sessions by a fleet that asks for it (package membership).
type Membership struct {
	Token string `bson:"token"` // signed by the operator
	Proof string `bson:"proof"` // that this very registration was made by the token's holder
}

// MembershipManifest is one document of the collection "membership": which tokens count, as its signer put it.
type MembershipManifest struct {
	Generation int64     `bson:"_id"`
	Document   string    `bson:"document"`
	At         time.Time `bson:"at"`
	By         string    `bson:"by"` // "key:<name>"
}

// Replica is one document of "restapis" or "wrappers": a running process of that service.
type Replica struct {
	ID          string    `bson:"_id" json:"id"`
	Service     string    `bson:"service" json:"service"` // "restapi" or "wrapper"
	Version     string    `bson:"version" json:"version"`
	State       string    `bson:"state" json:"state"` // [ReplicaReady]...
	StartedAt   time.Time `bson:"startedAt" json:"startedAt"`
	HeartbeatAt time.Time `bson:"heartbeatAt" json:"heartbeatAt"`
}

// States of a [Replica].
const (
	ReplicaReady    = "ready"
	ReplicaUnready  = "unready" // it lacks something that it needs
	ReplicaStopping = "stopping"
)

// AuditEntry is one document of the append-only collection "audit": who did what to which object, and how it ended.
// Seq, Previous and Hash are its link of the chain (package audit); the store makes them, and entries of before there
// was a chain have none.
type AuditEntry struct {
	ID     string    `bson:"_id" json:"id"`
	Time   time.Time `bson:"time" json:"time"`
	Actor  string    `bson:"actor" json:"actor"`   // "key:<name>", "user:<id>", "wrapper:<id>"
	Action string    `bson:"action" json:"action"` // "session.create", "user.remove"...
	Object string    `bson:"object" json:"object"` // "session:<id>", "server:<id>"...
	Reason string    `bson:"reason" json:"reason,omitempty"`
	Result string    `bson:"result" json:"result"` // "ok" or an error code

	Seq      int64  `bson:"seq,omitempty" json:"seq,omitempty"`           // from 1, without a gap
	Previous string `bson:"previous,omitempty" json:"previous,omitempty"` // the hash of the entry before, "" of the first
	Hash     string `bson:"hash,omitempty" json:"hash,omitempty"`
}
