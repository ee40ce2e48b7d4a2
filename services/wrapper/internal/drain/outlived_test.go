package drain_test

import (
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
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
