package bandwidth

import (
	"math"
	"time"
)

// Constants of draft-ietf-rmcat-gcc-02 section 5.4, with the gains that browsers use.
const (
	thresholdStart  = 12.5 // ms
	thresholdMin    = 6
	thresholdMax    = 600
	thresholdUp     = 0.0087 // per ms
	thresholdDown   = 0.039
	thresholdBeyond = 15 // ms above the threshold, where a value says nothing of the threshold
	overuseTime     = 10 * time.Millisecond
	maxStep         = 100 * time.Millisecond
)

// usage says whether a queue builds up on the way.
type usage int

const (
	usageNormal usage = iota
	usageOver
	usageUnder
)

// detector compares the trend with a threshold that adapts to how much the delay of this path varies by itself.
type detector struct {
	threshold float64
	last      float64
	over      time.Duration
	overCount int
	usage     usage
}

func newDetector() detector { return detector{threshold: thresholdStart} }

// add takes the trend after an interval.
func (d *detector) add(value float64, between interval) usage {
	switch {
	case value > d.threshold:
		d.over += between.sent
		d.overCount++
		if d.over > overuseTime && d.overCount > 1 && value >= d.last {
			d.over, d.overCount, d.usage = 0, 0, usageOver
		}
	case value < -d.threshold:
		d.over, d.overCount, d.usage = 0, 0, usageUnder
	default:
		d.over, d.overCount, d.usage = 0, 0, usageNormal
	}
	d.last = value
	d.adapt(value, between)
	return d.usage
}

func (d *detector) adapt(value float64, between interval) {
	size := math.Abs(value)
	if size > d.threshold+thresholdBeyond {
		return
	}
	gain := thresholdUp
	if size < d.threshold {
		gain = thresholdDown
	}
	step := milliseconds(min(max(between.arrived, 0), maxStep))
	d.threshold = min(max(d.threshold+gain*(size-d.threshold)*step, thresholdMin), thresholdMax)
}
