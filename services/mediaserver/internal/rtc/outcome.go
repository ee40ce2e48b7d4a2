package rtc

import (
	"sync"
	"sync/atomic"

	"github.com/orkestro/orkestro/pkg/control"
)

// Outcomes are how connections went over the life of an engine.
type Outcomes struct {
	Connected int64 // that became connected, and once more after each failure
	Failed    int64 // by ICE or DTLS
}

type outcomes struct{ connected, failed atomic.Int64 }

// Outcomes counts so far.
func (e *Engine) Outcomes() Outcomes {
	return Outcomes{Connected: e.outcomes.connected.Load(), Failed: e.outcomes.failed.Load()}
}

// outcome is how one connection goes. A path that is lost for a moment and found again is no news.
type outcome struct {
	of *outcomes

	mu   sync.Mutex
	last control.ConnectionState // connected, failed, or "" before either
}

func (o *outcome) changed(state control.ConnectionState) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if state == o.last {
		return
	}
	switch state { //nolint:exhaustive // the others lie between these two
	case control.ConnectionConnected:
		o.of.connected.Add(1)
	case control.ConnectionFailed:
		o.of.failed.Add(1)
	default:
		return
	}
	o.last = state
}
