package rtc

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
)

// Outcomes are how connections went over the life of an engine, and how those are that are there.
type Outcomes struct {
	Connected int64 // that became connected, and once more after each failure
	Failed    int64 // by ICE or DTLS
	Present   map[control.ConnectionState]int64
}

// Observer is told how long things took, on goroutines of Pion: it must not wait. Nil ones are left out.
type Observer struct {
	// Connected: a connection of that role ("publish", "subscribe", "both") became connected so long after its first
	// description was made here.
	Connected func(role string, took time.Duration)
	// FirstMedia: a connection was sent its first RTP packet so long after it became connected.
	FirstMedia func(took time.Duration)
}

type outcomes struct {
	observer          Observer
	connected, failed atomic.Int64
	present           [len(presentStates)]atomic.Int64
}

// presentStates are those of connections that are there.
var presentStates = [...]control.ConnectionState{ //nolint:gochecknoglobals // a constant
	control.ConnectionNew, control.ConnectionConnecting, control.ConnectionConnected,
	control.ConnectionDisconnected, control.ConnectionFailed,
}

// Observe sets the one observer. Set it before the first connection is made.
func (e *Engine) Observe(o Observer) { e.outcomes.observer = o }

// Outcomes counts so far.
func (e *Engine) Outcomes() Outcomes {
	o := Outcomes{
		Connected: e.outcomes.connected.Load(), Failed: e.outcomes.failed.Load(),
		Present: map[control.ConnectionState]int64{},
	}
	for i, state := range presentStates {
		o.Present[state] = e.outcomes.present[i].Load()
	}
	return o
}

// count adds n to the connections that are in a state; closed ones are not there.
func (o *outcomes) count(state control.ConnectionState, n int64) {
	for i, present := range presentStates {
		if present == state {
			o.present[i].Add(n)
		}
	}
}

// outcome is how one connection goes. A path that is lost for a moment and found again is no news.
type outcome struct {
	of   *outcomes
	role string

	mu    sync.Mutex
	begun time.Time               // its first description was made; zero: not yet, or it has been connected since
	state control.ConnectionState // "": it is not counted yet
	last  control.ConnectionState // connected, failed, or "" before either
}

func newOutcome(of *outcomes, role string) *outcome {
	o := &outcome{of: of, role: role}
	o.changed(control.ConnectionNew)
	return o
}

// described notes that a description was made.
func (o *outcome) described() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.begun.IsZero() && o.last == "" {
		o.begun = time.Now()
	}
}

func (o *outcome) changed(state control.ConnectionState) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.state == control.ConnectionClosed {
		return // Pion may say so late what came before
	}
	o.of.count(o.state, -1)
	o.of.count(state, 1)
	o.state = state
	if state == o.last {
		return
	}
	switch state {
	case control.ConnectionConnected:
		o.of.connected.Add(1)
		o.connectedLocked()
	case control.ConnectionFailed:
		o.of.failed.Add(1)
	default:
		return
	}
	o.last = state
}

// connectedLocked needs o.mu.
func (o *outcome) connectedLocked() {
	if !o.begun.IsZero() && o.of.observer.Connected != nil {
		o.of.observer.Connected(o.role, time.Since(o.begun))
	}
	o.begun = time.Time{}
}

// follow has o hear of the states of pc, and then next, if that is not nil.
func (o *outcome) follow(pc *webrtc.PeerConnection, next func(control.ConnectionState)) {
	pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		o.changed(connectionState(s))
		if next != nil {
			next(connectionState(s))
		}
	})
}
