package drain_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
	"github.com/orkestro/orkestro/services/wrapper/internal/drain"
)

// A server that was drained because its process was to end, and then started as an earlier release, which leaves the
// drain as it is: it serves again. Those of others stay, and that of the process that is still there.
func TestLook_ADrainByASignalEndsWithItsProcess(t *testing.T) {
	for name, c := range map[string]struct {
		by      string
		started time.Duration // after the drain was begun
		want    control.Availability
	}{
		"another process":          {control.DrainBySignal, time.Second, control.AvailabilityActive},
		"the same process":         {control.DrainBySignal, -time.Second, control.AvailabilityDrained},
		"of an operator":           {"key:ops", time.Second, control.AvailabilityDrained},
		"of a rollout, same build": {control.DrainByRollout + "r", time.Second, control.AvailabilityDrained},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.drain(time.Hour, control.DrainRelocate)
			s.server.Drain.By = c.by
			s.server.StartedAt = s.server.Drain.Since.Add(c.started)
			for range 4 {
				s.look(time.Second)
			}
			if s.server.Availability != c.want {
				t.Errorf("it is %s, want %s", s.server.Availability, c.want)
			}
		})
	}
}

// A process that was started while a rollout drained its server, and is asked to end then, has its drain as any other:
// it is not taken for one of the process before, which would undo it, and have the process go on.
func TestLook_ADrainThatASignalTookOverGoesOn(t *testing.T) {
	url, database := mongo.URL(t)
	st, err := store.Open(t.Context(), url, database)
	must(t, err)
	t.Cleanup(func() { must(t, st.Close(context.Background())) })
	now := time.Now()
	server := control.MediaServer{ID: "m", Instance: "i", StartedAt: now.Add(-time.Minute), HeartbeatAt: now}
	must(t, st.MediaServers.Register(t.Context(), server))
	must(t, st.MediaServers.DrainInstance(t.Context(), "m", "i", control.Drain{
		Since: now.Add(-time.Hour), Deadline: now.Add(time.Hour), By: control.DrainByRollout + "r",
	}))
	must(t, st.MediaServers.DrainBySignal(t.Context(), "m", "i", control.Drain{
		Since: now, Deadline: now.Add(time.Hour), Then: control.DrainRelocate,
	}))
	drainer := drain.New(drain.Deps{
		Servers: st.MediaServers, Sessions: st.Sessions, Audit: st.Audit, Log: slog.New(slog.DiscardHandler),
	})
	must(t, drainer.Look(t.Context(), now))
	got, err := st.MediaServers.Get(t.Context(), "m")
	must(t, err)
	if got.Availability != control.AvailabilityDraining || got.Drain.By != control.DrainBySignal {
		t.Errorf("it is %s by %+v", got.Availability, got.Drain)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
