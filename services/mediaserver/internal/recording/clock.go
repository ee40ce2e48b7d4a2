package recording

import "time"

const (
	// maxDrift is how far the time of a frame may be from when it came before its clock is set anew: chosen; far more
	// than any network delays a packet.
	maxDrift = 5 * time.Second
	// maxSkew is how far apart two tracks are brought together by their senders' reports. More than that means that the
	// tracks come from different machines, whose times of day have nothing to do with each other.
	maxSkew = 2 * time.Second
	// minSkew is left alone in a running recording: nobody sees so little, and reports are no more exact than that.
	minSkew = 20 * time.Millisecond
	// slewing: a clock is corrected by at most a tenth of the time that passes.
	slewDivisor = 10
)

// clock turns the RTP timestamps of a track into times of this machine: those at which its frames would have come if
// the network took as long for each as it did for the first.
type clock struct {
	rate   uint32 // Hz
	anchor time.Time
	first  uint32
	last   int64 // ticks since first
	shift  time.Duration
	target time.Duration // of shift

	reported   uint32 // the timestamp of the last report, and what time of day it was then; zero: none
	reportTime time.Time
}

// time is that of a frame that came at at.
func (c *clock) time(timestamp uint32, at time.Time) time.Time {
	if c.anchor.IsZero() {
		c.set(timestamp, at)
	}
	step := int64(int32(timestamp - c.first - uint32(c.last)))
	c.last += step
	c.slew(c.span(step))
	t := c.anchor.Add(c.span(c.last) + c.shift)
	if drift := t.Sub(at); drift > maxDrift || drift < -maxDrift {
		c.set(timestamp, at)
		return at
	}
	return t
}

func (c *clock) set(timestamp uint32, at time.Time) {
	c.anchor, c.first, c.last, c.shift, c.target = at, timestamp, 0, 0, 0
}

// slew brings the shift nearer to what it should be, never so fast that time goes backwards.
func (c *clock) slew(passed time.Duration) {
	most := max(passed, 0) / slewDivisor
	c.shift += min(max(c.target-c.shift, -most), most)
}

func (c *clock) span(ticks int64) time.Duration {
	rate := int64(c.rate)
	return time.Duration(ticks/rate)*time.Second + time.Duration(ticks%rate)*time.Second/time.Duration(rate)
}

// report takes what a sender report says: what time of day it was at the sender when the frame with a timestamp was
// recorded.
func (c *clock) report(timestamp uint32, wall time.Time) {
	c.reported, c.reportTime = timestamp, wall
}

// ahead is how much later it was here than at the sender; known is false without a report.
func (c *clock) ahead() (ahead time.Duration, known bool) {
	if c.anchor.IsZero() || c.reportTime.IsZero() {
		return 0, false
	}
	ticks := c.last + int64(int32(c.reported-c.first-uint32(c.last)))
	return c.anchor.Add(c.span(ticks) + c.shift).Sub(c.reportTime), true
}

// follow has c run in step with another clock. At once is for what nobody has seen yet.
func (c *clock) follow(other *clock, atOnce bool) {
	own, known := c.ahead()
	others, bothKnown := other.ahead()
	skew := others - own
	if !known || !bothKnown || skew > maxSkew || skew < -maxSkew {
		return
	}
	switch {
	case atOnce:
		c.shift += skew
		c.target = c.shift
	case skew > minSkew || skew < -minSkew:
		c.target = c.shift + skew
	}
}

// ntpTime is the time of day that a sender report names (RFC 3550 section 4).
func ntpTime(ntp uint64) time.Time {
	const epoch = 2208988800 // seconds from 1900 to 1970
	return time.Unix(int64(ntp>>32)-epoch, int64((ntp&0xFFFFFFFF)*1e9>>32))
}
