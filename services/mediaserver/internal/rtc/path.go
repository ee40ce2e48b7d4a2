package rtc

import (
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/stun/v3"
	"github.com/pion/webrtc/v4"
)

// path is where the client of one connection is reached: the selected pair of ICE candidates. Pion stays with the one
// it has selected, or waits for one of higher priority, until the connection has failed. So a client that changes its
// network, or whose NAT gave it another port, would be sent nothing although its own packets arrive. Safe for
// concurrent use.
type path struct {
	patience time.Duration // silence of the selected pair after which another one is taken

	inUse atomic.Pointer[ice.CandidatePair] // the selected one, once a check of the client has come on it; nil: none

	mu       sync.Mutex
	selected string                        // "": none yet, Pion chooses
	since    time.Time                     // when it was selected
	remote   ice.Candidate                 // of the selected pair, nil: no check of the client has come on it
	pairs    map[string]*ice.CandidatePair // those on which a check of the client came
}

// maxPairs bounds what is remembered of one client; chosen.
const maxPairs = 64

// follow looks at a connectivity check of the client, which has proved that it knows the password, and says whether to
// send to where it came from from now on: when the client has nominated that pair and it answers (the latest nomination
// is the one that counts, as browsers do it), or when nothing comes on the selected one any more. It is called on the
// goroutine of the ICE agent and must not call it.
func (p *path) follow(check *stun.Message, _, _ ice.Candidate, pair *ice.CandidatePair) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pair == p.inUse.Load() { // as nearly always: to name it is most of the work
		p.remote = pair.Remote
		return false
	}
	name := pairName(iceAddress(pair.Local), iceAddress(pair.Remote))
	p.checkedLocked(name, pair)
	if p.selected == "" {
		return false
	}
	if name == p.selected {
		p.remote = pair.Remote
		p.inUse.Store(pair)
		return false
	}
	nominated := check.Contains(stun.AttrUseCandidate) && pair.ResponsesReceived() > 0
	return nominated || time.Since(p.heardLocked()) > p.patience
}

// heardLocked is when the client was last heard of on the selected pair. It needs p.mu.
func (p *path) heardLocked() time.Time {
	if p.remote != nil && p.remote.LastReceived().After(p.since) {
		return p.remote.LastReceived()
	}
	return p.since
}

// changed notes that Pion has another pair now.
func (p *path) changed(pair *webrtc.ICECandidatePair) {
	name := pairName(candidateAddress(pair.Local), candidateAddress(pair.Remote))
	p.mu.Lock()
	defer p.mu.Unlock()
	if name != p.selected {
		p.selected, p.since, p.remote = name, time.Now(), nil
		p.inUse.Store(p.pairs[name])
	}
}

// pair is where to write to, nil: Pion knows.
func (p *path) pair() *ice.CandidatePair { return p.inUse.Load() }

// checkedLocked remembers a pair on which a check came. It needs p.mu.
func (p *path) checkedLocked(name string, pair *ice.CandidatePair) {
	if p.pairs == nil || len(p.pairs) == maxPairs {
		p.pairs = map[string]*ice.CandidatePair{}
	}
	p.pairs[name] = pair
}

// restart forgets the pair: ICE begins anew.
func (p *path) restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.selected, p.remote, p.pairs = "", nil, nil
	p.inUse.Store(nil)
}

func pairName(local, remote string) string { return local + " " + remote }

func iceAddress(c ice.Candidate) string {
	return c.NetworkType().NetworkShort() + " " + net.JoinHostPort(c.Address(), strconv.Itoa(c.Port()))
}

func candidateAddress(c *webrtc.ICECandidate) string {
	return c.Protocol.String() + " " + net.JoinHostPort(c.Address, strconv.Itoa(int(c.Port)))
}
