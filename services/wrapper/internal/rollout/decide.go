// Package rollout leads the replacement of the media servers that do not run a version, a share at a time: it says
// which servers are drained, waits for others in their place, and stops when those do worse. [Decide] and [Orders] are
// all of the thinking and touch nothing; a [Leader] does what they say. Package app runs the leader under a lease. It
// knows how servers are drained as little as what runs on them.
package rollout

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
)

// Actions of the events of a rollout, as the audit names them.
const (
	actionStep = "rollout.step"
	actionStop = "rollout.stop"
	actionDone = "rollout.done"
)

// maxEvents is how many events a rollout keeps. Chosen: more than a leader can be behind with telling the audit.
const maxEvents = 100

// Decide is what a rollout becomes, given the servers that there are; r itself where there is nothing to change. What
// it decides on are r and servers alone, so that any leader can go on from any other's.
func Decide(r control.Rollout, servers []control.MediaServer, now time.Time) (next control.Rollout, changed bool) {
	p := newPlan(r, servers, now)
	if r.State != control.RolloutRunning && r.State != control.RolloutPaused {
		return r, false
	}
	p.measure()
	p.watch()
	if p.Share != nil {
		p.proceed()
	}
	if p.State == control.RolloutRunning {
		if reason := p.trouble(); reason != "" {
			p.State, p.Reason = control.RolloutStopped, reason
			p.note(actionStop, reason)
		} else if p.Share == nil {
			p.begin()
		}
	}
	p.count()
	return p.Rollout, !reflect.DeepEqual(p.Rollout, r)
}

// plan is a rollout that is being decided on. What it shares with the one that it was made of is only read.
type plan struct {
	control.Rollout
	servers []control.MediaServer // by id
	now     time.Time             // as the database keeps it
	lost    []string              // servers of the new version, found in this look
}

func newPlan(r control.Rollout, servers []control.MediaServer, now time.Time) *plan {
	p := &plan{Rollout: r, servers: slices.Clone(servers), now: now.UTC().Truncate(time.Millisecond)}
	slices.SortFunc(p.servers, func(a, b control.MediaServer) int { return strings.Compare(string(a.ID), string(b.ID)) })
	p.Used, p.Watched, p.Events = slices.Clone(r.Used), slices.Clone(r.Watched), slices.Clone(r.Events)
	if r.Share != nil {
		share := *r.Share
		share.Servers = slices.Clone(share.Servers)
		p.Share = &share
	}
	return p
}

func (p *plan) server(id control.MediaServerID) (control.MediaServer, bool) {
	for _, s := range p.servers {
		if s.ID == id {
			return s, true
		}
	}
	return control.MediaServer{}, false
}

// outdated reports whether a server is to be replaced: one that serves, under another version. One that an operator has
// drained, or that is gone, does not serve.
func (p *plan) outdated(s control.MediaServer) bool {
	return s.Version != p.To && s.Status != control.StatusDown && s.Availability == control.AvailabilityActive
}

// serves reports whether a server can stand in for one that was drained.
func (p *plan) serves(s control.MediaServer) bool {
	return s.Version == p.To && s.Status == control.StatusUp && s.Availability == control.AvailabilityActive
}

// measure fixes the size of a share at the first look.
func (p *plan) measure() {
	if p.Size > 0 {
		return
	}
	var others int
	for _, s := range p.servers {
		if p.outdated(s) {
			others++
		}
	}
	p.Size = max(1, (others*p.Percent+99)/100)
}

// count is what is replaced, being replaced, and to be replaced.
func (p *plan) count() {
	p.Total = p.Replaced
	if p.Share != nil {
		p.Total += len(p.Share.Servers)
	}
	for _, s := range p.servers {
		if p.outdated(s) && p.Share.Find(s.ID) == nil {
			p.Total++
		}
	}
}

// begin takes the next share, or ends the rollout if there is none to take.
func (p *plan) begin() {
	var candidates []control.MediaServer
	var leaving []string
	for _, s := range p.servers {
		switch {
		case p.outdated(s):
			candidates = append(candidates, s)
		case s.Version != p.To && s.Status != control.StatusDown && s.Availability == control.AvailabilityDraining:
			leaving = append(leaving, string(s.ID))
		}
	}
	switch {
	case len(candidates) > 0:
		chosen, reason := choose(p.servers, candidates, p.Size)
		if p.Reason = reason; len(chosen) > 0 {
			p.take(chosen)
		}
	case len(leaving) > 0:
		p.Reason = "waits for what drains without it: " + strings.Join(leaving, ", ")
	default:
		p.State, p.Reason, p.EndedAt = control.RolloutDone, "", &p.now
		p.note(actionDone, fmt.Sprintf("%d servers were replaced", p.Replaced))
	}
}

// take makes a share of the servers chosen.
func (p *plan) take(chosen []control.MediaServer) {
	p.Shares++
	p.Share = &control.RolloutShare{
		Number: p.Shares, Phase: control.RolloutDraining, Since: p.now, Until: p.now.Add(p.Timeout),
	}
	for _, s := range chosen {
		p.Share.Servers = append(p.Share.Servers, control.RolloutServer{
			ID: s.ID, Instance: s.Instance, Version: s.Version, State: control.RolloutServerDraining,
		})
		p.Used = slices.DeleteFunc(p.Used, func(id control.MediaServerID) bool { return id == s.ID })
	}
	p.note(actionStep, fmt.Sprintf("share %d is being drained: %s", p.Shares, namesOf(p.Share)))
}

// note adds an event.
func (p *plan) note(action, text string) {
	number := 1
	if n := len(p.Events); n > 0 {
		number = p.Events[n-1].Number + 1
	}
	p.Events = append(p.Events, control.RolloutEvent{Number: number, Action: action, At: p.now, Text: text})
	if n := len(p.Events); n > maxEvents {
		p.Events = p.Events[n-maxEvents:]
	}
}
