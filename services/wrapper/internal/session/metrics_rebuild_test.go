package session

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/control"
)

// Only who had media waits for it to come back: who begins, or whose connection heals, is not counted.
func TestReconnection_CountsThoseWhoHadMedia(t *testing.T) {
	now := time.Now()
	moved, before := now.Add(-2*time.Second), now.Add(-time.Hour)
	const connected, fresh = control.ConnectionConnected, control.ConnectionNew
	type of struct {
		user       control.UserState
		joined     time.Time
		pipeline   time.Time
		relocation bool
		was, is    control.ConnectionState
	}
	cases := map[string]struct {
		of
		counts bool
	}{
		"after a loss":            {of{control.UserReconnecting, before, moved, false, fresh, connected}, true},
		"slowly":                  {of{control.UserReconnecting, before, moved, false, control.ConnectionConnecting, connected}, true},
		"in a move":               {of{control.UserJoined, before, moved, true, fresh, connected}, true},
		"not connected yet":       {of{control.UserReconnecting, before, moved, false, fresh, control.ConnectionConnecting}, false},
		"a path that heals":       {of{control.UserReconnecting, before, moved, false, control.ConnectionDisconnected, connected}, false},
		"had no media":            {of{control.UserJoined, before, moved, false, fresh, connected}, false},
		"joined after it":         {of{control.UserReconnecting, now, moved, false, fresh, connected}, false},
		"a client that was late":  {of{control.UserReconnecting, before, before.Add(time.Minute), false, fresh, connected}, false},
		"a client in a move long": {of{control.UserJoined, before, before.Add(time.Minute), true, fresh, connected}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			registry := prometheus.NewRegistry()
			m := newReconnection(registry)
			sess := &control.Session{
				Epoch: 2, PipelineAt: c.pipeline, Users: []control.User{{ID: "u", State: c.user, JoinedAt: c.joined}},
			}
			if c.relocation {
				sess.Relocation = &control.Relocation{Epoch: 1}
			}
			m.connected(sess, control.Connection{User: "u", Epoch: 2, State: c.was}, c.is)
			families, err := registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			if counted := families[0].Metric[0].GetHistogram().GetSampleCount() == 1; counted != c.counts {
				t.Errorf("counted: %v, want %v", counted, c.counts)
			}
		})
	}
}
