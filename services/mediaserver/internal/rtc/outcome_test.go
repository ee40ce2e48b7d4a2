package rtc

import (
	"testing"

	"github.com/orkestro/orkestro/pkg/control"
)

func TestOutcome_CountsWhatBecameOfAConnection(t *testing.T) {
	const (
		connecting   = control.ConnectionConnecting
		connected    = control.ConnectionConnected
		disconnected = control.ConnectionDisconnected
		failed       = control.ConnectionFailed
		closed       = control.ConnectionClosed
	)
	cases := map[string]struct {
		states            []control.ConnectionState
		connected, failed int64
	}{
		"never connected":            {[]control.ConnectionState{connecting, closed}, 0, 0},
		"connected":                  {[]control.ConnectionState{connecting, connected, closed}, 1, 0},
		"lost for a moment":          {[]control.ConnectionState{connecting, connected, disconnected, connected}, 1, 0},
		"failed at once":             {[]control.ConnectionState{connecting, failed, closed}, 0, 1},
		"failed later":               {[]control.ConnectionState{connecting, connected, disconnected, failed}, 1, 1},
		"failed and connected again": {[]control.ConnectionState{failed, connecting, connected}, 1, 1},
		"failed again": {
			[]control.ConnectionState{connected, failed, connecting, connected, disconnected, failed}, 2, 2,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var e Engine
			o := newOutcome(&e.outcomes, "publish")
			for _, state := range c.states {
				o.changed(state)
			}
			if got := e.Outcomes(); got.Connected != c.connected || got.Failed != c.failed {
				t.Errorf("%v counts %+v", c.states, got)
			}
		})
	}
}
