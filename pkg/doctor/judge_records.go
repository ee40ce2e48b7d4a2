package doctor

import (
	"fmt"
	"strconv"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
)

func (v view) checkServers(r *result) {
	for _, server := range v.servers {
		r.Examined++
		object := serverObject(server.ID)
		h := v.held[server.ID]
		switch {
		case server.Status == control.StatusDown:
			r.add(ProblemServerDown, object, string(server.Instance),
				"marked as down, last heartbeat "+v.age(server.HeartbeatAt)+" ago")
			continue
		case h.err != nil:
			r.add(ProblemServerUnreachable, object, string(server.Instance), server.URL+": "+h.err.Error())
		case h.instance != server.Instance:
			r.add(ProblemServerReplaced, object, string(server.Instance),
				fmt.Sprintf("registered is instance %s, at %s answers %s", server.Instance, server.URL, h.instance))
		}
		v.heartbeat(r, object, server.HeartbeatAt, v.serverBefore(server.ID))
	}
	if len(v.servers) == 0 {
		r.add(ProblemNoServer, "fleet", "", "no media server is registered")
	}
}

func (v view) serverBefore(id control.MediaServerID) time.Time {
	if v.before != nil {
		for _, server := range v.before.servers {
			if server.ID == id {
				return server.HeartbeatAt
			}
		}
	}
	return time.Time{}
}

func (v view) checkReplicas(r *result) {
	fresh := map[string]int{}
	for _, replica := range v.replicas {
		r.Examined++
		object := replica.Service + ":" + replica.ID
		v.heartbeat(r, object, replica.HeartbeatAt, v.replicaBefore(replica))
		if replica.State == control.ReplicaUnready {
			r.add(ProblemUnready, object, "", "it says that it cannot work")
		}
		if v.alive(replica) {
			fresh[replica.Service]++
		}
	}
	for _, service := range []string{"restapi", "wrapper"} {
		if fresh[service] == 0 {
			r.add(ProblemNoReplica, "fleet", service, "no "+service+" replica has a fresh heartbeat")
		}
	}
}

func (v view) replicaBefore(replica control.Replica) time.Time {
	if v.before != nil {
		for _, other := range v.before.replicas {
			if other.ID == replica.ID && other.Service == replica.Service {
				return other.HeartbeatAt
			}
		}
	}
	return time.Time{}
}

// alive reports whether a replica works, as far as its record tells.
func (v view) alive(replica control.Replica) bool {
	return replica.State == control.ReplicaReady && v.at.Sub(replica.HeartbeatAt) <= heartbeatAge
}

// heartbeat judges one. A heartbeat that is old in both looks although it has advanced is of a clock that goes wrong.
func (v view) heartbeat(r *result, object string, at, before time.Time) {
	age := v.at.Sub(at)
	switch {
	case age < -clockSlack:
		r.add(ProblemClockSkew, object, "", "its heartbeat is "+short(-age)+" ahead of the clock here")
	case age > heartbeatAge && !before.IsZero() && at.After(before):
		r.add(ProblemClockSkew, object, "", "its heartbeat goes on, but "+short(age)+" behind the clock here")
	case age > heartbeatAge:
		r.add(ProblemStale, object, "", "last heartbeat "+short(age)+" ago")
	}
}

func (v view) checkDead(r *result) {
	r.Examined = v.dead
	if v.dead > 0 {
		r.add(ProblemDead, queueObject(broker.DeadLetterQueue), "", strconv.Itoa(v.dead)+" messages were given up")
	}
}

func (v view) checkIndexes(r *result) {
	r.Examined = 1
	for _, index := range v.missing {
		r.add(ProblemIndex, "index:"+index, "", "it is not there")
	}
}

func (v view) age(t time.Time) string { return short(v.at.Sub(t)) }

// short is a duration for people.
func short(d time.Duration) string {
	if d < time.Minute {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
