package bandwidth

import "math"

const (
	capacityWeight       = 0.05
	capacityMinDeviation = 0.4
	capacityMaxDeviation = 2.5
)

// capacity remembers at which rates the path was found to be full, in kbit/s.
type capacity struct {
	known     bool
	average   float64
	deviation float64 // squared, in units of the average
}

func (c *capacity) add(rate float64) {
	sample := rate / 1000
	if !c.known {
		*c = capacity{known: true, average: sample, deviation: capacityMinDeviation}
		return
	}
	c.average += capacityWeight * (sample - c.average)
	off := (c.average - sample) * (c.average - sample) / max(c.average, 1)
	c.deviation += capacityWeight * (off - c.deviation)
	c.deviation = min(max(c.deviation, capacityMinDeviation), capacityMaxDeviation)
}

// spread is three standard deviations in bits per second.
func (c *capacity) spread() float64 { return 3000 * math.Sqrt(c.deviation*c.average) }

// above and below say that a rate does not belong to the capacity that is known.
func (c *capacity) above(rate float64) bool { return c.known && rate > c.average*1000+c.spread() }
func (c *capacity) below(rate float64) bool { return c.known && rate < c.average*1000-c.spread() }
