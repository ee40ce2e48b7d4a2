package bandwidth

import (
	"math"
	"time"

	"github.com/pion/rtcp"
)

// Constants of draft-ietf-rmcat-gcc-02 section 5.5, and of what browsers do where it leaves them open.
const (
	startRate   = 300_000 // bit/s: chosen, as browsers do
	minRate     = 30_000
	maxRate     = 100_000_000
	backOff     = 0.85 // of what arrives, when a queue builds up
	growth      = 1.08 // a second, while the capacity is not known
	growthFloor = 4000 // bit/s a second, near the known capacity
	headroom    = 1.5  // of what arrives: more is not proven
	margin      = 10_000
	frameRate   = 30
	packetBits  = 1200 * 8

	arrivalWindow  = 500 * time.Millisecond
	fullWindow     = 200 * time.Millisecond // while a queue builds up, what arrives is what the path carries
	minReduceAfter = 10 * time.Millisecond
	maxReduceAfter = 200 * time.Millisecond
	provenAfter    = time.Second // after a reduction, when nothing measured is from before it
	lossReduceWait = 300 * time.Millisecond
	maxPause       = time.Second     // between two updates, in which the rate may grow
	silence        = time.Second     // without feedback, after which the rate falls
	idle           = 5 * time.Second // without sending, after which what was measured begins to be forgotten
	idleRate       = 1_000_000       // bit/s up to which the rate then grows
	rembLife       = 5 * time.Second // after transport-wide feedback, in which a REMB counts for nothing
	rttWeight      = 0.1
)

// Estimator estimates what a connection carries from the feedback of its client: from the growth of the delay and from
// losses, as draft-ietf-rmcat-gcc-02 has it. What has arrived without either counts as carried. One goroutine at a time
// may use it.
type Estimator struct {
	history  *History
	reader   reader
	grouper  grouper
	trend    trend
	detector detector
	acked    meter // what arrives, by the client's clock
	departed meter // the same packets, by when they left
	losses   losses
	queueing queueing
	full     capacity

	rate     float64 // bit/s
	usage    usage
	rtt      time.Duration // 0: unknown
	updated  time.Time     // the rate, last
	reduced  time.Time
	lossCut  time.Time
	heard    time.Time // last feedback that meant something
	heardAt  uint64    // bytes sent by then
	sentAt   time.Time // when it was last seen that something was sent
	sent     uint64    // bytes sent by then
	explicit bool      // the client tells a rate itself (REMB)
	hindered bool      // something was too much once
}

// NewEstimator makes the estimator of the connection whose packets are in history.
func NewEstimator(history *History) *Estimator {
	return &Estimator{history: history, detector: newDetector(), rate: startRate}
}

// Known says whether the client has sent anything to estimate from.
func (e *Estimator) Known() bool { return !e.heard.IsZero() || e.explicit }

// Rate is the estimate in bits per second.
func (e *Estimator) Rate() int64 { return int64(e.rate) }

// Congested says whether at the moment more is sent than arrives in time.
func (e *Estimator) Congested() bool {
	return e.usage == usageOver || e.losses.tooMuch() > 0 || e.queueing.wait() > fullQueue
}

// Calm says that nothing waits on the way, as far as can be told already.
func (e *Estimator) Calm() bool {
	return !e.Congested() && e.trend.ready() && e.queueing.wait() < calmQueue
}

// Clear says that the client reports what arrives, and that nothing has ever been too much: then the estimate is where
// it began, or as far as what is sent has proven, and says nothing of what the connection does not carry.
func (e *Estimator) Clear() bool { return !e.heard.IsZero() && !e.hindered }

// Feedback takes a transport-wide feedback packet that came at now. Packets that were never sent, or were reported to
// have arrived before, count for nothing.
func (e *Estimator) Feedback(now time.Time, fb *rtcp.TransportLayerCC) {
	arrived, lost := 0, 0
	var latest time.Duration
	e.reader.read(fb, func(s status) {
		packet, found := e.history.take(s.sequence, s.arrived)
		switch {
		case !found:
		case s.arrived:
			arrived++
			if packet.lost {
				lost--
			}
			latest = packet.at
			e.arrived(packet, s.at)
		case !packet.lost:
			lost++
		}
	})
	if arrived == 0 && lost <= 0 {
		return
	}
	e.heard, e.heardAt = now, e.history.Bytes()
	if arrived > 0 {
		e.measure(clock(now) - latest)
	}
	judged := e.losses.add(now, arrived, lost)
	e.update(now)
	if judged {
		e.reactToLoss(now)
	}
}

func (e *Estimator) arrived(packet sent, at time.Duration) {
	e.acked.add(at, packet.size)
	e.departed.add(packet.at, packet.size)
	e.queueing.add(at-packet.at, at)
	if between, ok := e.grouper.add(packet.at, at); ok {
		e.usage = e.detector.add(e.trend.add(between), between)
	}
}

func (e *Estimator) measure(rtt time.Duration) {
	if rtt < 0 || rtt > clockJump {
		return
	}
	if e.rtt == 0 {
		e.rtt = rtt
	}
	e.rtt += time.Duration(rttWeight * float64(rtt-e.rtt))
}

// update is the rate controller of section 5.5.
func (e *Estimator) update(now time.Time) {
	arriving := e.acked.rate(arrivalWindow)
	switch e.usage {
	case usageOver:
		wait := min(max(e.rtt, minReduceAfter), maxReduceAfter)
		if now.Sub(e.reduced) >= wait {
			e.reduce(now, max(arriving, e.acked.rate(fullWindow)))
		}
	case usageNormal:
		if e.losses.average <= lossTolerated {
			e.grow(now, arriving)
		}
	case usageUnder: // a queue empties: wait for it
	}
	e.updated = now
}

func (e *Estimator) reduce(now time.Time, arriving float64) {
	if arriving == 0 {
		return // too early to know anything
	}
	e.reduced, e.hindered = now, true
	if e.full.below(arriving) {
		e.full = capacity{}
	}
	e.full.add(arriving)
	e.set(min(e.rate, backOff*arriving))
}

func (e *Estimator) grow(now time.Time, arriving float64) {
	if e.full.above(arriving) {
		e.full = capacity{}
	}
	seconds := min(now.Sub(e.updated), maxPause).Seconds()
	grown := e.rate * math.Pow(growth, seconds)
	if e.full.known {
		grown = e.rate + seconds*e.step()
	}
	// What was proven once stays, also when less is sent now.
	grown = min(grown, max(e.rate, headroom*arriving+margin))
	if now.Sub(e.reduced) > provenAfter+e.rtt {
		// What arrives is proven, unless it is a queue that empties.
		grown = max(grown, min(arriving, e.departed.rate(arrivalWindow)))
	}
	e.set(grown)
}

// step is one packet a response time, in bits per second a second.
func (e *Estimator) step() float64 {
	frame := e.rate / frameRate
	packet := frame / math.Ceil(frame/packetBits)
	response := (e.rtt + 100*time.Millisecond).Seconds()
	return max(packet/response, growthFloor)
}

func (e *Estimator) reactToLoss(now time.Time) {
	share := e.losses.tooMuch()
	if share == 0 || now.Sub(e.lossCut) < lossReduceWait+e.rtt {
		return
	}
	e.lossCut, e.hindered = now, true
	e.set(e.rate * (1 - share/2))
}

func (e *Estimator) set(rate float64) { e.rate = min(max(rate, minRate), maxRate) }

// Tick lets the rate fall while what is sent gets no feedback: half of it a second. While nothing is sent at all,
// because there was too little for anything, it doubles every few seconds, so that it is tried again. Call it a few
// times a second.
func (e *Estimator) Tick(now time.Time) {
	e.hindered = e.hindered || e.Congested()
	switch sent := e.history.Bytes(); {
	case sent != e.sent || e.sentAt.IsZero():
		e.sent, e.sentAt = sent, now
	case sent > 0 && now.Sub(e.sentAt) >= idle:
		e.sentAt = now
		e.set(max(e.rate, min(2*e.rate, idleRate)))
	}
	if e.heard.IsZero() || now.Sub(e.heard) < silence || e.sent == e.heardAt {
		return
	}
	e.heard, e.heardAt, e.hindered = now, e.sent, true
	e.set(e.rate / 2)
}

// REMB takes what a client itself estimates to receive at most (draft-alvestrand-rmcat-remb-03). It counts while there
// is no transport-wide feedback.
func (e *Estimator) REMB(now time.Time, bitrate float64) {
	if math.IsNaN(bitrate) || !e.heard.IsZero() && now.Sub(e.heard) < rembLife {
		return
	}
	e.explicit, e.hindered = true, true
	e.set(bitrate)
}
