package rollout

import (
	"fmt"
	"slices"
	"strings"

	"github.com/orkestro/orkestro/pkg/control"
)

// proceed brings the present share as far as it is, and takes it away when all of it is replaced.
func (p *plan) proceed() {
	p.renew()
	for i := range p.Share.Servers {
		p.see(&p.Share.Servers[i])
	}
	for i := range p.Share.Servers {
		if e := &p.Share.Servers[i]; e.State == control.RolloutServerDrained {
			p.replace(e)
		}
	}
	p.setPhase()
	if p.has(control.RolloutServerDraining) || p.has(control.RolloutServerDrained) {
		return
	}
	p.Replaced += len(p.Share.Servers)
	p.note(actionStep, fmt.Sprintf("share %d is replaced: %s", p.Share.Number, namesOf(p.Share)))
	p.Share = nil
}

// renew gives a share its time anew after the rollout has been resumed.
func (p *plan) renew() {
	if share := p.Share; share.Since.Before(p.Since) {
		share.Since, share.Until = p.Since, p.Since.Add(p.Timeout)
		if share.Drained != nil {
			share.Drained = &p.Since
		}
	}
}

// see says how far a server of the share is. Whatever no longer serves is drained.
func (p *plan) see(e *control.RolloutServer) {
	s, found := p.server(e.ID)
	switch {
	case e.State == control.RolloutServerReplaced:
	case !found, s.Status == control.StatusDown, s.Version == p.To, s.Availability == control.AvailabilityDrained:
		e.State = control.RolloutServerDrained
	default:
		e.State = control.RolloutServerDraining
	}
}

// replace finds a server in the place of one that is drained: itself under the new version, or another one that stands
// for none yet.
func (p *plan) replace(e *control.RolloutServer) {
	for _, s := range p.servers {
		other := s.ID != e.ID
		if !p.serves(s) || other && (slices.Contains(p.Used, s.ID) || p.Share.Find(s.ID) != nil) {
			continue
		}
		if other {
			if own, _ := p.server(e.ID); p.serves(own) {
				continue // itself first
			}
		}
		e.State, e.ReplacedBy = control.RolloutServerReplaced, s.ID
		p.Used = append(p.Used, s.ID)
		return
	}
}

func (p *plan) setPhase() {
	share := p.Share
	switch {
	case !p.has(control.RolloutServerDraining):
		share.Phase = control.RolloutReplacing
		if share.Drained == nil {
			share.Drained = &p.now
		}
		return
	case p.now.Before(share.Until):
		share.Phase = control.RolloutDraining
	default:
		share.Phase = control.RolloutRelocating
	}
	share.Drained = nil
}

// has reports whether a server of the share is so far.
func (p *plan) has(state control.RolloutServerState) bool {
	return slices.ContainsFunc(p.Share.Servers, func(e control.RolloutServer) bool { return e.State == state })
}

// choose takes up to size of the candidates, as many as the others can do without: their sessions have to go somewhere.
// If that is none, reason says why.
func choose(servers, candidates []control.MediaServer, size int) (chosen []control.MediaServer, reason string) {
	for _, c := range candidates {
		if len(chosen) == size {
			return chosen, ""
		}
		crowded := lacks(servers, append(slices.Clone(chosen), c))
		if crowded == "" {
			chosen = append(chosen, c)
		} else if reason == "" {
			reason = "waits for room: " + crowded
		}
	}
	if len(chosen) > 0 {
		reason = ""
	}
	return chosen, reason
}

// lacks says why the sessions of the servers that leave have no place in the regions where they are, "" if they have.
func lacks(servers, leaving []control.MediaServer) string {
	leaves := func(s control.MediaServer) bool {
		return slices.ContainsFunc(leaving, func(l control.MediaServer) bool { return l.ID == s.ID })
	}
	for _, l := range leaving {
		var needed, room, others int
		unlimited := false
		for _, s := range servers {
			switch {
			case s.Region != l.Region:
			case leaves(s):
				needed += s.Load.Pipelines
			case s.Status == control.StatusUp && s.Availability == control.AvailabilityActive:
				others++
				room += max(0, s.Capacity-s.Load.Pipelines)
				unlimited = unlimited || s.Capacity == 0
			}
		}
		switch {
		case others == 0:
			return fmt.Sprintf("%s is the last active server%s", l.ID, inRegion(l.Region))
		case !unlimited && room < needed:
			return fmt.Sprintf("the others%s can take %d sessions and not the %d of %s", inRegion(l.Region), room, needed,
				l.ID)
		}
	}
	return ""
}

func inRegion(region string) string {
	if region == "" {
		return ""
	}
	return fmt.Sprintf(" of region %q", region)
}

// namesOf lists the servers of a share.
func namesOf(share *control.RolloutShare) string {
	names := make([]string, 0, len(share.Servers))
	for _, e := range share.Servers {
		name := string(e.ID)
		if e.ReplacedBy != "" && e.ReplacedBy != e.ID {
			name += " by " + string(e.ReplacedBy)
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}
