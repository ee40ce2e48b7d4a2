package rollout_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/wrapper/internal/rollout"
)

func newLeader(m *model, name string) *rollout.Leader {
	return rollout.New(name, m, servers{m}, audit{m}, nil, slog.New(slog.DiscardHandler))
}

// play is a model, the Wrappers that may lead, and what random draws make of it.
type play struct {
	*model
	t       *rapid.T
	leaders []*rollout.Leader
	pasts   []*model // moments that a leader may still see
}

func (p *play) anyServer() control.MediaServerID {
	return p.servers[rapid.IntRange(0, len(p.servers)-1).Draw(p.t, "server")].ID
}

// look has a leader look, one that may have been frozen since some moment, or die in between.
func (p *play) look(t *rapid.T) {
	leader := rapid.IntRange(0, len(p.leaders)-1).Draw(t, "leader")
	if frozen := rapid.IntRange(-3, len(p.pasts)-1).Draw(t, "frozen since"); frozen >= 0 {
		p.frozen = p.pasts[frozen]
	}
	p.failIn = rapid.SampledFrom([]int{0, 0, 1, 2, 3, 4, 5, 6}).Draw(t, "dies at call")
	err := p.leaders[leader].Look(t.Context(), p.now)
	p.frozen, p.failIn = nil, 0
	if err != nil {
		if !errors.Is(err, errFails) {
			t.Fatal(err)
		}
		p.leaders[leader] = newLeader(p.model, fmt.Sprintf("follower of %d", leader))
	}
	p.pasts = append(p.pasts, p.snapshot())
	p.pasts = p.pasts[max(0, len(p.pasts)-6):]
}

// Whoever leads, dies or is overtaken: no more than a share is out of service, and it ends.
func TestLeader_AnyCourseOfThings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel()
		for i := range rapid.IntRange(1, 8).Draw(t, "servers") {
			version := rapid.SampledFrom([]string{"v1", "v1", "v0", "v2"}).Draw(t, "version")
			m.servers = append(m.servers, server(control.MediaServerID(fmt.Sprint("m", i)), version))
		}
		m.start("r", "v2", rapid.SampledFrom([]int{1, 30, 50, 100}).Draw(t, "percent"))
		p := &play{model: m, t: t, leaders: []*rollout.Leader{newLeader(m, "a"), newLeader(m, "b")}}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			p.step(t)
			r := m.rollout("r")
			if drained := m.drainedBy("r"); r.Size > 0 && drained > r.Size {
				t.Fatalf("%d servers are out of service, a share is %d:\n%+v", drained, r.Size, r)
			}
		}
		p.settle(t)
	})
}

func (p *play) step(t *rapid.T) {
	p.now = p.now.Add(time.Duration(rapid.IntRange(0, 1200).Draw(t, "seconds")) * time.Second)
	switch rapid.SampledFrom([]string{
		"look", "look", "look", "look", "emptied", "emptied", "replaced", "replaced", "dies", "comes back", "outcomes",
		"pause", "resume", "abort", "joins",
	}).Draw(t, "what") {
	case "look":
		p.look(t)
	case "emptied":
		p.emptied(p.anyServer())
	case "replaced":
		if s := p.server(p.anyServer()); s.Availability == control.AvailabilityDrained {
			p.restarts(s.ID, "v2")
		}
	case "dies":
		p.dies(p.anyServer())
	case "comes back":
		s := p.server(p.anyServer())
		p.restarts(s.ID, s.Version)
	case "outcomes":
		load := &p.server(p.anyServer()).Load
		load.ConnectionsConnected += int64(rapid.IntRange(0, 30).Draw(t, "connected"))
		load.ConnectionsFailed += int64(rapid.IntRange(0, 5).Draw(t, "failed"))
	case "pause":
		p.pause("r")
	case "resume":
		p.resume("r")
	case "abort":
		if rapid.IntRange(0, 9).Draw(t, "abort") == 0 {
			p.abort("r")
		}
	case "joins":
		if len(p.servers) < 12 {
			p.servers = append(p.servers, server(control.MediaServerID(fmt.Sprint("n", len(p.servers))), "v1"))
		}
	}
}

// settle lets everything end well from here on.
func (p *play) settle(t *rapid.T) {
	p.servers = append(p.servers, server("spare", "v2"))
	for _, s := range slices.Clone(p.servers) {
		if s.Status == control.StatusDown {
			p.restarts(s.ID, s.Version)
		}
	}
	live := p.rollout("r").State.Live()
	for range 20*len(p.servers) + 100 { // longer than it takes to look at the recent ones again
		p.now = p.now.Add(time.Second)
		if err := p.leaders[0].Look(t.Context(), p.now); err != nil {
			t.Fatal(err)
		}
		p.resume("r")
		for _, s := range slices.Clone(p.servers) {
			switch {
			case s.Availability == control.AvailabilityDraining:
				p.emptied(s.ID)
			case s.Availability == control.AvailabilityDrained && p.rollout("r").State.Live():
				p.restarts(s.ID, "v2")
			}
		}
	}
	r := p.rollout("r")
	if r.State != control.RolloutDone && r.State != control.RolloutAborted {
		t.Fatalf("it does not end: %+v\n%+v", r, p.servers)
	}
	for _, s := range p.servers {
		done := r.State == control.RolloutDone
		if s.Drain != nil && (!done || s.Version == "v2" || s.Availability == control.AvailabilityDraining) {
			t.Errorf("%s stays %s by %s", s.ID, s.Availability, s.Drain.By)
		}
		if live && done && s.Version != "v2" && s.Availability == control.AvailabilityActive {
			t.Errorf("%s still serves under %s", s.ID, s.Version)
		}
	}
	if r.State == control.RolloutDone && r.Replaced != r.Total {
		t.Errorf("%d of %d were replaced", r.Replaced, r.Total)
	}
	p.told(t, r)
}

// told checks that the audit knows each event once.
func (p *play) told(t *rapid.T, r *control.Rollout) {
	entries := map[string]int{}
	for _, e := range p.audit {
		entries[e.Action]++
	}
	var events []string
	for _, e := range r.Events {
		events = append(events, e.Action)
		entries[e.Action]--
	}
	for _, action := range []string{"rollout.step", "rollout.stop", "rollout.done"} {
		if len(r.Events) < 100 && entries[action] != 0 {
			t.Errorf("the audit has %d entries of %s too many, of events %v", entries[action], action, events)
		}
	}
}

// Whatever call of its first looks a leader dies at, the next one leaves the drain with one entry in the audit.
func TestLeader_DrainIsInTheAuditWhereverItsLeaderDies(t *testing.T) {
	for call := 1; ; call++ {
		m := newModel(server("m", "v1"), server("spare", "v2"))
		m.start("r", "v2", 100)
		m.failIn = call
		died := false
		for i := range 6 {
			died = newLeader(m, fmt.Sprint(i)).Look(t.Context(), m.now) != nil || died
			m.now = m.now.Add(time.Second)
		}
		if !died {
			if call < 6 {
				t.Fatalf("a leader makes %d calls", call-1)
			}
			return
		}
		drains := 0
		for _, e := range m.audit {
			if e.Action == "server.drain" {
				drains++
			}
		}
		if m.server("m").Availability != control.AvailabilityDraining || drains != 1 {
			t.Errorf("died at call %d: the server is %s, the audit has %d drains", call, m.server("m").Availability, drains)
		}
	}
}
