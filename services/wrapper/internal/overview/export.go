package overview

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/control"
)

// silentAfter is how old the last heartbeat of a replica may be: it sends one every two seconds.
const silentAfter = 10 * time.Second

// stateSilent is that of a replica that is not heard of, whatever it said last.
const stateSilent = "silent"

// families are the metrics.
type families struct {
	lease, looked, sessions, users, relocating      *prometheus.Desc
	servers, places, replicas, heartbeat            *prometheus.Desc
	queues, remaining, deadline                     *prometheus.Desc
	rollout, rolloutServers, rolloutReplacedServers *prometheus.Desc
}

func newFamilies() families {
	fleet := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("orkestro_fleet_"+name, help, labels, nil)
	}
	return families{
		lease: prometheus.NewDesc("orkestro_wrapper_lease_held", "Whether this Wrapper leads: 1 or 0.",
			[]string{"lease"}, nil),
		looked:     fleet("looked_timestamp_seconds", "When the leader last looked, Unix time."),
		sessions:   fleet("sessions", "Sessions by state.", "state"),
		users:      fleet("users", "Users in sessions."),
		relocating: fleet("relocating_sessions", "Sessions that are being moved."),
		servers: fleet("mediaservers", "Media servers by what the operator wants of them and what the fleet sees.",
			"availability", "status"),
		places: fleet("free_places", "Sessions that active servers which are up can still take."),
		replicas: fleet("replicas", "Replicas by the state that they report; silent: not heard of.",
			"service", "state"),
		heartbeat:              fleet("heartbeat_age_seconds", "Age of the oldest heartbeat.", "service"),
		queues:                 fleet("queue_messages", "Messages that wait for a consumer.", "queue"),
		remaining:              fleet("drain_remaining_sessions", "Sessions on a draining server.", "server", "then"),
		deadline:               fleet("drain_deadline_timestamp_seconds", "End of a drain, Unix time.", "server", "then"),
		rollout:                fleet("rollout_state", "1 for the state of the rollout that goes on.", "state"),
		rolloutServers:         fleet("rollout_servers", "Media servers that the rollout replaces."),
		rolloutReplacedServers: fleet("rollout_replaced_servers", "Those of them that are replaced."),
	}
}

// Describe implements prometheus.Collector.
func (o *Overview) Describe(descs chan<- *prometheus.Desc) {
	f := o.families
	for _, desc := range []*prometheus.Desc{
		f.lease, f.looked, f.sessions, f.users, f.relocating, f.servers, f.places, f.replicas, f.heartbeat, f.queues,
		f.remaining, f.deadline, f.rollout, f.rolloutServers, f.rolloutReplacedServers,
	} {
		descs <- desc
	}
}

// Collect implements prometheus.Collector.
func (o *Overview) Collect(metrics chan<- prometheus.Metric) {
	e := &export{families: o.families, metrics: metrics, now: time.Now()}
	held := 0
	if o.leading.Load() {
		held = 1
	}
	e.gauge(e.lease, float64(held), "fleet")
	seen := o.seen.Load()
	if seen == nil || e.now.Sub(seen.at) > stale {
		return
	}
	e.gauge(e.looked, float64(seen.at.UnixMilli())/1000)
	e.ofSessions(seen)
	e.ofServers(seen.servers)
	e.ofReplicas(seen.replicas)
	e.ofRollout(seen.rollout)
}

// export writes one view.
type export struct {
	families
	metrics chan<- prometheus.Metric
	now     time.Time
}

func (e *export) gauge(desc *prometheus.Desc, value float64, labels ...string) {
	e.metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

func (e *export) ofSessions(seen *view) {
	for _, state := range []control.SessionState{control.SessionActive, control.SessionClosing} {
		e.gauge(e.sessions, float64(seen.totals.Sessions[state]), string(state))
	}
	e.gauge(e.users, float64(seen.totals.Users))
	e.gauge(e.relocating, float64(seen.totals.Relocating))
	for queue, messages := range seen.queues {
		e.gauge(e.queues, float64(messages), queue)
	}
}

func (e *export) ofServers(servers []control.MediaServer) {
	type kind struct {
		availability control.Availability
		status       control.Status
	}
	counts := map[kind]int{}
	places, oldest := 0.0, time.Duration(0)
	for _, s := range servers {
		counts[kind{s.Availability, s.Status}]++
		places += free(s)
		if s.Status != control.StatusDown {
			oldest = max(oldest, e.now.Sub(s.HeartbeatAt))
		}
		e.ofDrain(s)
	}
	for _, a := range []control.Availability{
		control.AvailabilityActive, control.AvailabilityDraining, control.AvailabilityDrained,
	} {
		for _, s := range []control.Status{control.StatusUp, control.StatusSuspect, control.StatusDown} {
			e.gauge(e.servers, float64(counts[kind{a, s}]), string(a), string(s))
		}
	}
	e.gauge(e.places, places)
	e.gauge(e.heartbeat, oldest.Seconds(), "mediaserver")
}

// free is how many sessions a server can still take.
func free(s control.MediaServer) float64 {
	switch {
	case s.Availability != control.AvailabilityActive || s.Status != control.StatusUp:
		return 0
	case s.Capacity == 0:
		return math.Inf(1)
	default:
		return float64(max(s.Capacity-s.Load.Pipelines, 0))
	}
}

func (e *export) ofDrain(s control.MediaServer) {
	if s.Drain == nil || s.Availability != control.AvailabilityDraining {
		return
	}
	labels := []string{string(s.ID), string(s.Drain.Then)}
	e.gauge(e.remaining, float64(s.Drain.Remaining), labels...)
	e.gauge(e.deadline, float64(s.Drain.Deadline.UnixMilli())/1000, labels...)
}

func (e *export) ofReplicas(replicas []control.Replica) {
	counts := map[[2]string]int{}
	for _, service := range []string{"restapi", "wrapper"} {
		for _, state := range []string{control.ReplicaReady, control.ReplicaUnready, control.ReplicaStopping, stateSilent} {
			counts[[2]string{service, state}] = 0
		}
	}
	for _, r := range replicas {
		state := r.State
		if e.now.Sub(r.HeartbeatAt) > silentAfter {
			state = stateSilent
		}
		counts[[2]string{r.Service, state}]++
	}
	for kind, n := range counts {
		e.gauge(e.replicas, float64(n), kind[0], kind[1])
	}
}

func (e *export) ofRollout(live *control.Rollout) {
	rollout := control.Rollout{}
	if live != nil {
		rollout = *live
	}
	for _, state := range []control.RolloutState{control.RolloutRunning, control.RolloutPaused, control.RolloutStopped} {
		value := 0.0
		if state == rollout.State {
			value = 1
		}
		e.gauge(e.rollout, value, string(state))
	}
	e.gauge(e.rolloutServers, float64(rollout.Total))
	e.gauge(e.rolloutReplacedServers, float64(rollout.Replaced))
}
