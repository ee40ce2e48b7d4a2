package bandwidth

import "time"

// Constants of draft-ietf-rmcat-gcc-02 sections 5.2 to 5.4, and, where it leaves them open, of what browsers do.
const (
	groupSpan    = 5 * time.Millisecond   // packets that leave within it are one group
	maxBurst     = 100 * time.Millisecond // of a group that arrives at once
	clockJump    = 3 * time.Second        // of one clock against the other: begin anew
	maxReordered = 3                      // groups in a row that arrive before the one before them: begin anew
)

// group is packets that left as one burst, a video frame mostly.
type group struct {
	firstSent, sent       time.Duration // of the first and last packet
	firstArrived, arrived time.Duration
}

// grouper makes the time between two groups out of packets.
type grouper struct {
	groups    int // how many of the following are there
	previous  group
	current   group
	reordered int
}

// interval is the time between two groups, as they left and as they arrived.
type interval struct{ sent, arrived time.Duration }

// add takes a packet that arrived; when it completes a group, ok is true.
func (g *grouper) add(sent, arrived time.Duration) (between interval, ok bool) {
	switch {
	case g.groups == 0:
		g.begin(sent, arrived)
		g.groups = 1
		return interval{}, false
	case sent < g.current.firstSent:
		return interval{}, false // late, a repetition of the feedback of another path
	case g.belongs(sent, arrived):
		g.current.sent = max(g.current.sent, sent)
		g.current.arrived = max(g.current.arrived, arrived)
		return interval{}, false
	}
	if g.groups == 2 {
		between = interval{g.current.sent - g.previous.sent, g.current.arrived - g.previous.arrived}
		if ok = g.plausible(between); !ok && g.groups == 0 {
			return interval{}, false
		}
	}
	g.previous = g.current
	g.begin(sent, arrived)
	g.groups = 2
	return between, ok
}

func (g *grouper) begin(sent, arrived time.Duration) {
	g.current = group{firstSent: sent, sent: sent, firstArrived: arrived, arrived: arrived}
}

// plausible reports whether an interval can be used, and begins anew when the clocks do not go together any more.
func (g *grouper) plausible(between interval) bool {
	if jump := between.arrived - between.sent; jump > clockJump || jump < -clockJump {
		*g = grouper{}
		return false
	}
	if between.arrived < 0 {
		if g.reordered++; g.reordered >= maxReordered {
			*g = grouper{}
		}
		return false
	}
	g.reordered = 0
	return true
}

// belongs says whether a packet is of the present group: it left with it, or caught up with it in a queue on the way.
func (g *grouper) belongs(sent, arrived time.Duration) bool {
	if sent-g.current.firstSent <= groupSpan {
		return true
	}
	after := arrived - g.current.arrived
	caughtUp := after < sent-g.current.sent && after <= groupSpan
	return caughtUp && arrived-g.current.firstArrived < maxBurst
}
