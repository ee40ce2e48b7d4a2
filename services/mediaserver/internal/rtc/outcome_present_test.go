package rtc

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orkestro/orkestro/pkg/control"
)

func TestOutcome_SaysHowConnectionsAre(t *testing.T) {
	var e Engine
	present := func(want map[control.ConnectionState]int64) {
		t.Helper()
		got := e.Outcomes().Present
		for state, n := range got {
			if n == 0 {
				delete(got, state)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	a, b := newOutcome(&e.outcomes, "publish"), newOutcome(&e.outcomes, "subscribe")
	present(map[control.ConnectionState]int64{control.ConnectionNew: 2})
	a.changed(control.ConnectionConnecting)
	b.changed(control.ConnectionConnected)
	present(map[control.ConnectionState]int64{control.ConnectionConnecting: 1, control.ConnectionConnected: 1})
	a.changed(control.ConnectionClosed)
	a.changed(control.ConnectionClosed)
	a.changed(control.ConnectionFailed) // late
	b.changed(control.ConnectionDisconnected)
	present(map[control.ConnectionState]int64{control.ConnectionDisconnected: 1})
	b.changed(control.ConnectionClosed)
	present(map[control.ConnectionState]int64{})
}

// A connection is timed once, from its first description; that it heals is not.
func TestOutcome_TellsHowLongConnectingTook(t *testing.T) {
	var e Engine
	var told []string
	e.Observe(Observer{Connected: func(role string, took time.Duration) {
		if took < 0 || took > time.Minute {
			t.Errorf("connecting took %s", took)
		}
		told = append(told, role)
	}})
	o := newOutcome(&e.outcomes, "subscribe")
	o.described()
	o.changed(control.ConnectionConnected)
	o.described()
	o.changed(control.ConnectionFailed)
	o.changed(control.ConnectionConnected)
	newOutcome(&e.outcomes, "publish").changed(control.ConnectionConnected) // nothing was described
	if diff := cmp.Diff([]string{"subscribe"}, told); diff != "" {
		t.Error(diff)
	}
}
