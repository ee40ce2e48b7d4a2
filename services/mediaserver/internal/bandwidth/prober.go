package bandwidth

import "time"

// How probes are made: chosen, by simulation.
const (
	probeFactor   = 2.0              // of the estimate is sent at most, while none has failed
	probeCautious = 1.5              // after that
	probeProgress = 1.05             // of the estimate, that counts as progress
	probePatience = time.Second      // without progress, after which a probe has failed
	probeFirst    = time.Second      // wait after the first failure; doubles up to probeLast
	probeLast     = 15 * time.Second // a client whose path got better sees it after this long at the latest
)

// Prober decides when a connection sends more than its media, to learn whether it would carry a higher layer: an
// estimate cannot grow far beyond what is sent. A probe goes on as long as the estimate follows it, and ends when that
// is enough or a queue builds up. The zero value is ready; one goroutine at a time may use it.
type Prober struct {
	active   bool
	best     int64
	progress time.Time
	wait     time.Duration // after the next failure; 0: probeFirst
	next     time.Time
}

// Active says whether a probe is on.
func (p *Prober) Active() bool { return p.active }

// Rate is how many bits per second to send in all, media included; 0: no more than the media. want is the estimate that
// would be of use.
func (p *Prober) Rate(now time.Time, e *Estimator, want int64) int64 {
	estimate := e.Rate()
	if want <= estimate {
		if p.active {
			*p = Prober{}
		}
		p.active = false
		return 0
	}
	switch {
	case p.active && float64(estimate) > float64(p.best)*probeProgress:
		p.best, p.progress = estimate, now
	case p.active:
	case !e.Calm() || now.Before(p.next):
		return 0
	default:
		p.active, p.best, p.progress = true, estimate, now
	}
	if e.Congested() || now.Sub(p.progress) > probePatience {
		p.fail(now)
		return 0
	}
	factor := probeFactor
	if p.wait != 0 {
		factor = probeCautious
	}
	return int64(min(factor*float64(estimate), float64(want)*1.1))
}

// fail ends a probe, and the next one begins the later the more have failed.
func (p *Prober) fail(now time.Time) {
	p.active = false
	p.wait = min(max(2*p.wait, probeFirst), probeLast)
	p.next = now.Add(p.wait)
}
