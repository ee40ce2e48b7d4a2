package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
)

// reads counts how often a followed collection was read as a whole: at the start, and whenever its change stream could
// not go on where it was.
type reads struct{ sessions, servers prometheus.Counter }

func newReads(registry prometheus.Registerer) reads {
	counts := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "orkestro_wrapper_collection_reads_total",
		Help: "Times that a followed collection was read as a whole: at the start, or for want of a change stream.",
	}, []string{"collection"})
	registry.MustRegister(counts)
	return reads{sessions: counts.WithLabelValues("sessions"), servers: counts.WithLabelValues("mediaservers")}
}

// countedSessions counts the reads of sessions.
type countedSessions struct {
	store.SessionWatcher
	reads prometheus.Counter
}

// Reset implements store.SessionWatcher.
func (c countedSessions) Reset(live []control.SessionID) {
	c.reads.Inc()
	c.SessionWatcher.Reset(live)
}

// countedServers counts the reads of media servers.
type countedServers struct {
	store.MediaServerWatcher
	reads prometheus.Counter
}

// Reset implements store.MediaServerWatcher.
func (c countedServers) Reset(servers []control.MediaServer) {
	c.reads.Inc()
	c.MediaServerWatcher.Reset(servers)
}
