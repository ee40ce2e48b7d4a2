package bandwidth

import "time"

// Constants of draft-ietf-rmcat-gcc-02 section 6; how often and over how much loss is judged is chosen.
const (
	lossTolerated = 0.05 // up to here the rate may grow; the draft has 0.02, and then never grows on a bad radio link
	lossTooMuch   = 0.1  // from here on it falls
	lossPeriod    = 250 * time.Millisecond
	lossPackets   = 20
	lossWeight    = 0.3 // of the latest period in the average
)

// losses is the share of packets that do not arrive.
type losses struct {
	since         time.Time
	arrived, lost int
	average       float64
	latest        float64
}

// add counts a feedback and reports whether there is a new judgement. lost may be negative: a packet that was reported
// lost has arrived after all.
func (l *losses) add(now time.Time, arrived, lost int) bool {
	if l.since.IsZero() {
		l.since = now
	}
	l.arrived += arrived
	l.lost += lost
	total := l.arrived + l.lost
	if total < lossPackets || now.Sub(l.since) < lossPeriod {
		return false
	}
	l.latest = float64(max(l.lost, 0)) / float64(total)
	l.average += lossWeight * (l.latest - l.average)
	l.since, l.arrived, l.lost = now, 0, 0
	return true
}

// tooMuch is how much is lost if the rate has to fall for it, else 0.
func (l *losses) tooMuch() float64 {
	if l.average > lossTooMuch && l.latest > lossTooMuch {
		return l.average
	}
	return 0
}
