package session

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/control"
)

// rebuild counts the pipelines that were replaced because their media server was lost.
type rebuild struct {
	rebuilds *prometheus.CounterVec
	duration prometheus.Histogram
}

func newRebuild(registry prometheus.Registerer) rebuild {
	m := rebuild{
		rebuilds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orkestro_wrapper_rebuilds_total",
			Help: "Tries to replace a pipeline whose media server was lost, by result: ok or an error code.",
		}, []string{"result"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "orkestro_wrapper_rebuild_duration_seconds",
			Help:    "Time from the loss being noticed to the new pipeline being stored.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}),
	}
	m.rebuilds.WithLabelValues("ok")
	registry.MustRegister(m.rebuilds, m.duration)
	return m
}

// rebuilt counts a pipeline that was replaced by a request that was made then.
func (m rebuild) rebuilt(made time.Time) {
	m.rebuilds.WithLabelValues("ok").Inc()
	m.duration.Observe(time.Since(made).Seconds())
}

// reconnection is how long users wait for their media when their session has another pipeline.
type reconnection struct{ took prometheus.Histogram }

// reconnectTime bounds what counts as a reconnection: who takes longer has been removed by then, or had no media before
// and begins.
const reconnectTime = time.Minute

func newReconnection(registry prometheus.Registerer) reconnection {
	m := reconnection{prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "orkestro_wrapper_reconnect_seconds",
		Help:    "Time from the storing of a pipeline that replaces another one to a user being connected to it.",
		Buckets: []float64{.05, .1, .2, .3, .5, .75, 1, 1.5, 2.5, 5, 10, 30},
	})}
	registry.MustRegister(m.took)
	return m
}

// connected counts a connection of sess that has become connected for the first time, if its user had media in the
// pipeline before. before is the connection as it was.
func (m reconnection) connected(sess *control.Session, before control.Connection, state control.ConnectionState) {
	user := sess.User(before.User)
	first := before.State == control.ConnectionNew || before.State == control.ConnectionConnecting
	if user == nil || state != control.ConnectionConnected || !first {
		return
	}
	took := time.Since(sess.PipelineAt)
	had := user.State == control.UserReconnecting || sess.Relocation != nil && before.Epoch == sess.Epoch
	if had && user.JoinedAt.Before(sess.PipelineAt) && took < reconnectTime {
		m.took.Observe(took.Seconds())
	}
}
