package liveness

import (
	"slices"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
)

// timeline looks at the store every half second, by a clock of its own.
type timeline struct {
	*peers
	now      time.Time
	replicas map[string]bool // true: sends heartbeats
}

func newTimeline(replicas ...string) *timeline {
	t := &timeline{
		peers: newPeers("self", nil), now: time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC),
		replicas: map[string]bool{"self": true},
	}
	for _, id := range replicas {
		t.replicas[id] = true
	}
	return t
}

// works lets time pass in which the store answers.
func (t *timeline) works(d time.Duration) {
	for end := t.now.Add(d); t.now.Before(end); {
		t.now = t.now.Add(lookEvery)
		var list []control.Replica
		for id, beats := range t.replicas {
			r := control.Replica{ID: id}
			if beats {
				r.HeartbeatAt = t.now
			}
			list = append(list, r)
		}
		t.saw(list, t.now)
	}
}

// stands lets time pass in which it does not, or in which we stand still.
func (t *timeline) stands(d time.Duration) { t.now = t.now.Add(d) }

func TestPeers_SilenceCountsWhileTheStoreWorks(t *testing.T) {
	line := newTimeline()
	line.works(time.Minute)
	heard := line.now
	line.works(2 * time.Second)
	if got := line.silence(heard, line.now); got != 2*time.Second {
		t.Fatalf("silent for %s, want 2s", got)
	}
	for _, outage := range []time.Duration{2 * time.Second, time.Minute} {
		line.works(time.Minute)
		heard = line.now
		line.stands(outage)
		if got := line.silence(heard, line.now); got > 0 {
			t.Errorf("silent for %s at the end of an outage of %s", got, outage)
		}
		line.works(recovery)
		if got := line.silence(heard, line.now); got > heartbeatStale {
			t.Errorf("silent for %s when everybody is just finding back after %s", got, outage)
		}
		line.works(heartbeatStale + time.Second)
		if got := line.silence(heard, line.now); got < heartbeatStale {
			t.Errorf("silent for only %s, long after an outage of %s", got, outage)
		}
	}
}

func TestPeers_NothingIsSilentToOneThatHasJustStarted(t *testing.T) {
	line := newTimeline()
	line.works(lookEvery)
	if got := line.silence(line.now.Add(-time.Hour), line.now); got > 0 {
		t.Errorf("silent for %s", got)
	}
}

func TestPeers_AMajorityOfTheLivingDecides(t *testing.T) {
	cases := map[string]struct {
		others   []string
		dead     []string // for long
		suspects []string
		want     []string
	}{
		"the only one":             {nil, nil, []string{"self"}, []string{"self"}},
		"nobody":                   {nil, nil, nil, nil},
		"one of two":               {[]string{"b"}, nil, []string{"self"}, nil},
		"both":                     {[]string{"b"}, nil, []string{"self", "b"}, []string{"self", "b"}},
		"two of three":             {[]string{"b", "c"}, nil, []string{"self", "c"}, []string{"self", "c"}},
		"two of four":              {[]string{"b", "c", "d"}, nil, []string{"self", "c"}, nil},
		"the one that is left":     {[]string{"b"}, []string{"b"}, []string{"self"}, []string{"self"}},
		"the dead have no vote":    {[]string{"b", "c", "d"}, []string{"b"}, []string{"b", "self"}, nil},
		"strangers have no vote":   {[]string{"b"}, nil, []string{"self", "x", "y"}, nil},
		"others decide without us": {[]string{"b", "c"}, nil, []string{"b", "c"}, []string{"b", "c"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			line := newTimeline(c.others...)
			line.works(time.Minute)
			for _, id := range c.dead {
				line.replicas[id] = false
			}
			line.works(2 * peerLimit)
			got, all := line.majority(c.suspects, line.now)
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if living := 1 + len(c.others) - len(c.dead); all != (len(got) == living) {
				t.Errorf("%d of %d are all: %t", len(got), living, all)
			}
		})
	}
}

func TestPeers_AfterAnOutageEverybodyCounts(t *testing.T) {
	line := newTimeline("b")
	line.works(time.Minute)
	line.stands(time.Minute)
	if got, _ := line.majority([]string{"self", "b"}, line.now); got != nil {
		t.Errorf("%v decide without the store", got)
	}
	line.replicas["b"] = false // has not found back yet
	line.works(time.Second)
	if got, _ := line.majority([]string{"self"}, line.now); got != nil {
		t.Errorf("%v decide alone", got)
	}
}
