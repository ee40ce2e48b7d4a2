package control

import (
	"slices"
	"time"
)

// RolloutID names a rollout, a UUIDv7.
type RolloutID string

// RolloutState says whether a rollout goes on.
type RolloutState string

// A rollout is live while it runs, is paused by an operator, or has stopped itself; there is one live rollout at most.
const (
	RolloutRunning RolloutState = "running"
	RolloutPaused  RolloutState = "paused"  // the present share goes on, no other is begun
	RolloutStopped RolloutState = "stopped" // it stopped itself, see Reason; it may be resumed
	RolloutAborted RolloutState = "aborted" // its servers of an old version are active again
	RolloutDone    RolloutState = "done"
)

// Live reports whether the rollout is not over: as long as it is, no other can be started.
func (s RolloutState) Live() bool {
	return s == RolloutRunning || s == RolloutPaused || s == RolloutStopped
}

// GoesOn reports whether the present share is still being replaced.
func (s RolloutState) GoesOn() bool { return s == RolloutRunning || s == RolloutPaused }

// Rollout is one document of the collection "rollouts": the replacement of every media server that does not run the
// version To, a share at a time. Operators' calls write State and Reason, the Wrapper that leads the rest. Revision
// counts the writes and is a guard in each.
type Rollout struct {
	ID        RolloutID     `bson:"_id"`
	Schema    int           `bson:"schema"` // [Schema] of the build that inserted it
	Slot      string        `bson:"slot"`   // [RolloutSlot] while it is live, else its id: unique
	Revision  int64         `bson:"revision"`
	To        string        `bson:"to"`
	Percent   int           `bson:"percent"` // of the servers that are to be replaced at the start: one share
	Timeout   time.Duration `bson:"timeout"` // for the sessions of a share, and then for its replacements
	State     RolloutState  `bson:"state"`
	Reason    string        `bson:"reason"` // why it stopped, or what it waits for
	StartedAt time.Time     `bson:"startedAt"`
	StartedBy string        `bson:"startedBy"` // "key:<name>"
	Since     time.Time     `bson:"since"`     // when it was started, or resumed last: what was before counts no more
	EndedAt   *time.Time    `bson:"endedAt"`

	Size     int             `bson:"size"`     // servers of a share; 0 before the first look
	Shares   int             `bson:"shares"`   // begun so far
	Total    int             `bson:"total"`    // servers that were or are to be replaced
	Replaced int             `bson:"replaced"` // of Total
	Used     []MediaServerID `bson:"used"`     // servers of To that count as the replacement of one
	Share    *RolloutShare   `bson:"share"`    // nil between two shares
	Old      RolloutOutcome  `bson:"old"`      // of the servers of other versions, since Since
	New      RolloutOutcome  `bson:"new"`      // of those of To
	Watched  []RolloutWatch  `bson:"watched"`
	Events   []RolloutEvent  `bson:"events"`   // the last ones: they are entered into the audit, again and again
	LookedAt *time.Time      `bson:"lookedAt"` // when outcomes were added last; nil before the first look since Since
}

// RolloutSlot is the Slot of the live rollout.
const RolloutSlot = "live"

// Drains reports whether r wants a server drained, whoever does it: it is of the present share, and not replaced yet.
func (r Rollout) Drains(s MediaServer) bool {
	e := r.Share.Find(s.ID)
	return r.State.GoesOn() && e != nil && e.State != RolloutServerReplaced && s.Version != r.To
}

// RolloutPhase says what a share waits for.
type RolloutPhase string

// The phases of a share, in their order.
const (
	RolloutDraining   RolloutPhase = "draining"   // for its sessions to end
	RolloutRelocating RolloutPhase = "relocating" // for the rest, after the deadline, to be moved
	RolloutReplacing  RolloutPhase = "replacing"  // for servers of the new version in the place of its own
)

// RolloutShare is the servers that are being replaced now.
type RolloutShare struct {
	Number  int             `bson:"number"` // from 1
	Phase   RolloutPhase    `bson:"phase"`
	Since   time.Time       `bson:"since"`   // of the drain
	Until   time.Time       `bson:"until"`   // deadline of the drain
	Drained *time.Time      `bson:"drained"` // since when all are drained
	Servers []RolloutServer `bson:"servers"`
}

// Find is the entry of a server, nil if it is not of the share.
func (s *RolloutShare) Find(id MediaServerID) *RolloutServer {
	if s == nil {
		return nil
	}
	if i := slices.IndexFunc(s.Servers, func(e RolloutServer) bool { return e.ID == id }); i >= 0 {
		return &s.Servers[i]
	}
	return nil
}

// RolloutServerState says how far a server of a share is.
type RolloutServerState string

// A server that dies or vanishes counts as drained.
const (
	RolloutServerDraining RolloutServerState = "draining"
	RolloutServerDrained  RolloutServerState = "drained"
	RolloutServerReplaced RolloutServerState = "replaced"
)

// RolloutServer is one server of a share, as it was when the share was begun.
type RolloutServer struct {
	ID         MediaServerID      `bson:"id"`
	Instance   InstanceID         `bson:"instance"`
	Version    string             `bson:"version"`
	State      RolloutServerState `bson:"state"`
	ReplacedBy MediaServerID      `bson:"replacedBy"` // "" until it is
}

// RolloutOutcome is what became of the connections on some servers.
type RolloutOutcome struct {
	Connected   int64 `bson:"connected" json:"connected" doc:"Connections that were made."`
	Failed      int64 `bson:"failed" json:"failed" doc:"Connections that failed."`
	ServersLost int64 `bson:"serversLost" json:"serversLost" doc:"Servers that went without having been drained."`
}

// RolloutWatch is an instance whose outcomes are counted: what of its totals is counted already.
type RolloutWatch struct {
	Server    MediaServerID `bson:"server"`
	Instance  InstanceID    `bson:"instance"`
	New       bool          `bson:"new"` // of the version that is rolled out
	Connected int64         `bson:"connected"`
	Failed    int64         `bson:"failed"`
	Leaving   bool          `bson:"leaving"` // it was drained: that it goes is no loss
}

// RolloutEvent is a step of a rollout that the audit tells of.
type RolloutEvent struct {
	Number int       `bson:"number"` // from 1
	Action string    `bson:"action"` // "rollout.step", "rollout.stop", "rollout.done"
	At     time.Time `bson:"at"`
	Text   string    `bson:"text"`
}
