package liveness

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/orkestro/orkestro/pkg/mediaclient"
	"github.com/orkestro/orkestro/pkg/store"
)

const (
	// lossLimit is the promise: a server that died without a word is noticed within this time.
	lossLimit = 2 * time.Second
	// heartbeatStale is a little less, for the claim itself: a heartbeat is due every second.
	heartbeatStale = lossLimit - 100*time.Millisecond
	// outOfReach is how long a server that still sends heartbeats may be out of reach before a Wrapper finds it gone all
	// the same: nobody can join its sessions or leave them meanwhile. Chosen: longer than a network hiccup.
	outOfReach = 10 * time.Second
	// answersWithin is how soon a server that is well can be reached again when a connection ends.
	answersWithin = 250 * time.Millisecond
	// judgeEvery is the pause between two judgements, retryEvery that between two attempts to reach the server.
	judgeEvery = 50 * time.Millisecond
	retryEvery = 200 * time.Millisecond
)

// errReplaced: another instance answers in the place of the one that is looked for.
var errReplaced = errors.New("liveness: another instance answers")

// trouble is the time from when an instance stopped answering until it answers again.
type trouble struct {
	*Monitor
	one   instance
	since time.Time
	gone  bool // the last attempt found the instance gone, not only silent
	voted bool // our suspicion is on record, or may be
}

// attempt is the outcome of dialling once.
type attempt struct {
	client *mediaclient.Client
	err    error
}

// see sees an instance through that does not answer, and gives the connection to it when it does; nil when ctx ends
// before. It is claimed as soon as it counts as lost; losses is the context of what follows then.
func (t *trouble) see(ctx, losses context.Context) *mediaclient.Client {
	ctx, cancel := context.WithCancel(ctx)
	attempts := make(chan attempt)
	var dialling sync.WaitGroup
	dialling.Go(func() { t.dial(ctx, attempts) })
	defer dialling.Wait()
	defer cancel()
	ticker := time.NewTicker(judgeEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case a := <-attempts:
			if a.err == nil {
				return a.client
			}
			t.gone = errors.Is(a.err, errReplaced) || errors.Is(a.err, syscall.ECONNREFUSED)
		case <-ticker.C:
		}
		if claim := t.judge(ctx); claim != nil {
			t.pursue(losses, t.one, claim)
		}
	}
}

// dial tries to reach the instance until it is reached, and tells of each attempt.
func (t *trouble) dial(ctx context.Context, attempts chan<- attempt) {
	for {
		client, err := t.dialer.Connect(ctx, t.one.url)
		if err == nil && client.Instance() != t.one.instance {
			err = errReplaced
		}
		select {
		case attempts <- attempt{client, err}:
		case <-ctx.Done():
			return
		}
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(retryEvery/2 + rand.N(retryEvery)): //nolint:gosec // jitter needs no secrecy
		}
	}
}

// judge is the claim that there is a case for, nil if there is none:
//   - a majority of the Wrappers find the instance gone: its port is closed, or somebody else answers there;
//   - all Wrappers have not reached it for long, although it sends heartbeats: as long as one does, requests find their
//     way, and that one would have it taken back;
//   - no heartbeat has come for too long, and we do not reach it either.
func (t *trouble) judge(ctx context.Context) claim {
	server, _ := t.fleet.Server(t.one.id)
	if server.Lost == t.one.instance {
		return nil // claimed already
	}
	if t.gone || time.Since(t.since) > outOfReach {
		if voters, all := t.peers.majority(t.suspects(ctx), time.Now()); voters != nil && (t.gone || all) {
			return func(ctx context.Context) error {
				return t.servers.ClaimSuspected(ctx, t.one.id, t.one.instance, voters)
			}
		}
	}
	if time.Since(t.since) < answersWithin {
		return nil
	}
	sent, seen := t.fleet.Heartbeat(t.one.id)
	if t.peers.silence(seen, time.Now()) < heartbeatStale {
		return nil
	}
	return func(ctx context.Context) error { return t.servers.ClaimSilent(ctx, t.one.id, t.one.instance, sent) }
}

// suspects is who finds the instance gone, ourselves among them. The store is asked only while it does not say so yet.
func (t *trouble) suspects(ctx context.Context) []string {
	server, _ := t.fleet.Server(t.one.id)
	if server.Instance == t.one.instance && slices.Contains(server.SuspectedBy, t.peers.self) {
		return server.SuspectedBy
	}
	t.voted = true
	suspects, err := t.servers.Suspect(ctx, t.one.id, t.one.instance, t.peers.self)
	if err != nil {
		return nil // replaced meanwhile, or the store is away: the next judgement tries again
	}
	return suspects
}

// attend waits until the connection to an instance that answers ends, or ctx does. A suspicion of ours that is on
// record is taken back.
func (m *Monitor) attend(ctx context.Context, one instance, client *mediaclient.Client, voted bool) {
	for ctx.Err() == nil {
		if server, _ := m.fleet.Server(one.id); voted || slices.Contains(server.SuspectedBy, m.peers.self) {
			err := m.servers.Trust(ctx, one.id, one.instance, m.peers.self)
			voted = err != nil && !errors.Is(err, store.ErrGuard)
		}
		select {
		case <-ctx.Done():
			return
		case <-client.Closed():
			return
		case <-time.After(trustEvery):
		}
	}
}
