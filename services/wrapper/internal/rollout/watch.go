package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
)

const (
	// addEvery is the least time between two additions of outcomes: each is a write.
	addEvery = 5 * time.Second
	// minOutcomes and minFailures: fewer prove nothing.
	minOutcomes = 20
	minFailures = 5
	// maxRatio and margin bound the share of connections that fail on the new servers, by that on the others: twice as
	// many and five in a hundred more.
	maxRatio = 2
	margin   = 0.05
)

// watch adds what has become of connections since the last look, and finds servers that went without having been
// drained. An instance that is first seen later than the rollout has everything counted.
func (p *plan) watch() {
	first := p.LookedAt == nil
	add := first || p.now.Sub(*p.LookedAt) >= addEvery
	before := slices.Clone(p.Watched)
	p.Watched = slices.DeleteFunc(p.Watched, func(w control.RolloutWatch) bool {
		s, found := p.server(w.Server)
		gone := !found || s.Instance != w.Instance
		if gone && !w.Leaving {
			p.lose(w)
		}
		return gone
	})
	for i := range p.Watched {
		p.follow(&p.Watched[i], add)
	}
	for _, s := range p.servers {
		known := func(w control.RolloutWatch) bool { return w.Server == s.ID }
		if !slices.ContainsFunc(p.Watched, known) {
			p.Watched = append(p.Watched, p.newWatch(s, first))
		}
	}
	if first || !slices.Equal(before, p.Watched) {
		p.LookedAt = &p.now
	}
}

func (p *plan) newWatch(s control.MediaServer, first bool) control.RolloutWatch {
	w := control.RolloutWatch{Server: s.ID, Instance: s.Instance, New: s.Version == p.To, Leaving: leaving(s)}
	if first {
		w.Connected, w.Failed = s.Load.ConnectionsConnected, s.Load.ConnectionsFailed
	}
	return w
}

// follow looks after an instance that is there. Going down counts once, also if it turns out to have been out of reach
// only.
func (p *plan) follow(w *control.RolloutWatch, add bool) {
	s, _ := p.server(w.Server)
	side := p.side(w.New)
	if s.Status == control.StatusDown {
		if !w.Leaving && s.Availability == control.AvailabilityActive {
			p.lose(*w)
		}
		w.Leaving, add = true, true
	} else {
		w.Leaving = leaving(s)
	}
	if add {
		side.Connected += max(0, s.Load.ConnectionsConnected-w.Connected)
		side.Failed += max(0, s.Load.ConnectionsFailed-w.Failed)
		w.Connected, w.Failed = s.Load.ConnectionsConnected, s.Load.ConnectionsFailed
	}
}

func (p *plan) lose(w control.RolloutWatch) {
	p.side(w.New).ServersLost++
	if w.New {
		p.lost = append(p.lost, string(w.Server))
	}
}

// leaving reports whether it is no loss if the server goes, or is gone.
func leaving(s control.MediaServer) bool {
	return s.Availability != control.AvailabilityActive || s.Status == control.StatusDown
}

func (p *plan) side(isNew bool) *control.RolloutOutcome {
	if isNew {
		return &p.New
	}
	return &p.Old
}

// trouble is the reason why a rollout has to stop, "" if there is none.
func (p *plan) trouble() string {
	was, is := share(p.Old), share(p.New)
	switch {
	case len(p.lost) > 0:
		return fmt.Sprintf("%s of %s went without having been drained", strings.Join(p.lost, ", "), p.To)
	case p.New.Failed >= minFailures && p.New.Connected+p.New.Failed >= minOutcomes && is > maxRatio*was+margin:
		return fmt.Sprintf("on servers of %s %.0f%% of connections fail, on the others %.0f%%", p.To, 100*is, 100*was)
	case p.late():
		return fmt.Sprintf("no server of %s has come in the place of %s within %s", p.To, p.missing(), p.Timeout)
	default:
		return ""
	}
}

// share is the share of connections that failed.
func share(o control.RolloutOutcome) float64 {
	return float64(o.Failed) / float64(max(1, o.Connected+o.Failed))
}

// late reports whether replacements have been waited for in vain.
func (p *plan) late() bool {
	return p.Share != nil && p.Share.Drained != nil && p.now.Sub(*p.Share.Drained) >= p.Timeout
}

// missing names the servers of the share that nothing has come in the place of.
func (p *plan) missing() string {
	left := *p.Share
	left.Servers = slices.DeleteFunc(slices.Clone(left.Servers), func(e control.RolloutServer) bool {
		return e.State == control.RolloutServerReplaced
	})
	return namesOf(&left)
}
