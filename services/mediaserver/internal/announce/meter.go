package announce

import (
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
	"github.com/orkestro/orkestro/services/mediaserver/internal/process"
)

// meter turns counters into rates between two measurements. One goroutine uses it.
type meter struct {
	stats func() media.Stats

	at       time.Time
	cpu      time.Duration
	in, out  uint64
	measured bool
}

// measure is the load at now; the rates are averages since the last call, 0 in the first.
func (m *meter) measure(now time.Time) control.Load {
	stats, cpu := m.stats(), process.CPUTime()
	load := control.Load{
		MemoryBytes:      process.MemoryBytes(),
		Pipelines:        stats.Pipelines,
		Endpoints:        stats.Endpoints,
		PipelinesCreated: stats.PipelinesCreated,

		ConnectionsConnected: stats.ConnectionsConnected,
		ConnectionsFailed:    stats.ConnectionsFailed,
	}
	if seconds := now.Sub(m.at).Seconds(); m.measured && seconds > 0 {
		load.CPU = (cpu - m.cpu).Seconds() / seconds
		load.BitrateIn = int64(8 * float64(stats.BytesIn-m.in) / seconds)
		load.BitrateOut = int64(8 * float64(stats.BytesOut-m.out) / seconds)
	}
	m.at, m.cpu, m.in, m.out, m.measured = now, cpu, stats.BytesIn, stats.BytesOut, true
	return load
}
