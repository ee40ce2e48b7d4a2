package bandwidth

import "time"

// Constants of the trendline filter that browsers use in place of the draft's Kalman filter.
const (
	trendWindow    = 20 // groups
	trendLeast     = 8  // of them for the first slope
	trendSmoothing = 0.9
	trendGain      = 4
	trendMaxCount  = 60 // of intervals that the gain grows with
)

// trend says how fast the delay grows, by a line through the delays of the last groups.
type trend struct {
	count    int           // of intervals so far
	total    float64       // ms of delay more than at the beginning
	smoothed float64       // ms
	elapsed  time.Duration // since the beginning
	x, y     [trendWindow]float64
}

// add takes an interval and returns the slope, scaled to be compared with a threshold in ms.
func (t *trend) add(between interval) float64 {
	t.total += milliseconds(between.arrived - between.sent)
	t.smoothed = trendSmoothing*t.smoothed + (1-trendSmoothing)*t.total
	t.elapsed += between.arrived
	at := t.count % trendWindow
	t.x[at], t.y[at] = milliseconds(t.elapsed), t.smoothed
	t.count++
	if !t.ready() {
		return 0
	}
	return t.slope() * float64(min(t.count, trendMaxCount)) * trendGain
}

func (t *trend) ready() bool { return t.count >= trendLeast }

// slope is that of the line with the least squares.
func (t *trend) slope() float64 {
	n := min(t.count, trendWindow)
	var meanX, meanY float64
	for i := range n {
		meanX += t.x[i] / float64(n)
		meanY += t.y[i] / float64(n)
	}
	var numerator, denominator float64
	for i := range n {
		dx := t.x[i] - meanX
		numerator += dx * (t.y[i] - meanY)
		denominator += dx * dx
	}
	if denominator == 0 {
		return 0
	}
	return numerator / denominator
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
