package liveness

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
)

const (
	// lookEvery is the pause between two looks at the store; lookTimeout bounds one.
	lookEvery   = 500 * time.Millisecond
	lookTimeout = time.Second
	// maxBreak is the longest time between two answers of the store in which nothing is taken to have failed. A longer
	// one was an outage, or we were frozen ourselves.
	maxBreak = lookEvery + lookTimeout
	// recovery is how long after an outage of the store a silent media server may only not have found back to it yet.
	// Chosen: its next heartbeat is due within a second, and the driver looks for the primary every half second.
	recovery = 3 * time.Second
	// peerLimit: two and a half heartbeats of a Wrapper.
	peerLimit = 5 * time.Second
)

// peers is which Wrappers are alive, and since when the store works: what is not heard of while it does not says
// nothing. Time is that of our own clock. Safe for concurrent use.
type peers struct {
	self string
	list func(ctx context.Context) ([]control.Replica, error)

	mu       sync.Mutex
	answered time.Time // the store, the last time
	works    time.Time // since when, without a break
	seen     map[string]peer
}

// peer is another Wrapper: its last heartbeat, by its clock, and when it was seen, by ours.
type peer struct{ heartbeat, at time.Time }

func newPeers(self string, list func(ctx context.Context) ([]control.Replica, error)) *peers {
	return &peers{self: self, list: list, seen: map[string]peer{}}
}

// run looks until ctx ends.
func (p *peers) run(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		p.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// look reads the list once. One that fails is noticed by the time that has passed since the last that did not.
func (p *peers) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if replicas, err := p.list(ctx); err == nil {
		p.saw(replicas, time.Now())
	}
}

func (p *peers) saw(replicas []control.Replica, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.answered) > maxBreak {
		p.works = now
	}
	p.answered = now
	known := p.seen
	p.seen = make(map[string]peer, len(replicas))
	for _, r := range replicas {
		last, found := known[r.ID]
		if !found || !last.heartbeat.Equal(r.HeartbeatAt) {
			last = peer{heartbeat: r.HeartbeatAt, at: now}
		}
		p.seen[r.ID] = last
	}
}

// silence is how long nothing was heard of a media server that could have been: not before the store works, and
// everybody had time to find back to it.
func (p *peers) silence(heard, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.answered) > maxBreak {
		return 0
	}
	if able := p.works.Add(recovery); heard.Before(able) {
		heard = able
	}
	return now.Sub(heard)
}

// majority is those of the suspecting Wrappers that are alive, if they are more than half of all that are, else nil;
// all says that there are no others.
func (p *peers) majority(suspecting []string, now time.Time) (voters []string, all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.answered) > maxBreak {
		return nil, false
	}
	alive := map[string]bool{p.self: true}
	for id, other := range p.seen {
		if now.Sub(other.at) < peerLimit || now.Sub(p.works) < peerLimit {
			alive[id] = true
		}
	}
	voters = slices.DeleteFunc(slices.Clone(suspecting), func(id string) bool { return !alive[id] })
	if 2*len(voters) <= len(alive) {
		return nil, false
	}
	return voters, len(voters) == len(alive)
}
