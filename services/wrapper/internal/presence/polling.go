package presence

import (
	"time"

	"github.com/orkestro/orkestro/pkg/control"
)

// replicaFresh is how long after its last heartbeat, of one every two seconds, a REST replica counts as there, and with
// it two rounds of the sweeper.
const replicaFresh = 6 * time.Second

// polling knows since when users could poll, as far as this Wrapper has seen without a break. Silence counts from there
// on only: nobody is removed for not having reached a fleet that was not there. One goroutine uses it.
type polling struct {
	fresh time.Duration   // how long after a look, or a heartbeat, things are as they were
	since time.Time       // zero: they cannot
	seen  time.Time       // when we last looked
	beats map[string]beat // by REST replica
}

// beat is the last heartbeat of a replica and when we first saw it, by our own clock: clocks of two machines do not
// agree.
type beat struct {
	at    time.Time
	noted time.Time // zero: it may be of long ago
}

// observe looks at the REST replicas, and forgets what it knew when it has not for a while.
func (p *polling) observe(replicas []control.Replica, now time.Time) {
	if now.Sub(p.seen) > p.fresh {
		p.forget()
	}
	p.seen = now
	beats := make(map[string]beat, len(replicas))
	possible := false
	for _, r := range replicas {
		last, known := p.beats[r.ID]
		if !known {
			last = beat{at: r.HeartbeatAt}
		} else if !last.at.Equal(r.HeartbeatAt) {
			last = beat{at: r.HeartbeatAt, noted: now}
		}
		beats[r.ID] = last
		possible = possible || r.State == control.ReplicaReady && now.Sub(last.noted) <= p.fresh
	}
	p.beats = beats
	switch {
	case !possible:
		p.since = time.Time{}
	case p.since.IsZero():
		p.since = now
	}
}

// forget begins anew, as when the database could not be asked: users could not poll then either.
func (p *polling) forget() { *p = polling{fresh: p.fresh} }

// possibleFor reports whether users could poll all the time since then.
func (p *polling) possibleFor(d time.Duration, now time.Time) bool {
	return !p.since.IsZero() && now.Sub(p.since) >= d
}
