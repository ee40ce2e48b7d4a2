// Package ratelimit bounds how many requests a caller may send. The HTTP layer asks it before anything else is done for
// a request.
package ratelimit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limiter holds one token bucket a caller. A bucket that has had time to fill is forgotten, which changes nothing, so
// memory is bounded by the callers of the last moments. Safe for concurrent use.
type Limiter struct {
	rate  rate.Limit
	burst int
	now   func() time.Time

	mu      sync.Mutex
	buckets map[string]*bucket
	sweepAt time.Time
}

type bucket struct {
	limiter *rate.Limiter
	usedAt  time.Time
}

// New allows perSecond requests a second with bursts of burst; perSecond 0 allows everything.
func New(perSecond float64, burst int, now func() time.Time) *Limiter {
	return &Limiter{rate: rate.Limit(perSecond), burst: burst, now: now, buckets: map[string]*bucket{}}
}

// Allow reports whether the caller may go on; if not, retryAfter says when it may.
func (l *Limiter) Allow(caller string) (retryAfter time.Duration, ok bool) {
	if l.rate == 0 {
		return 0, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.sweepLocked(now)
	b := l.buckets[caller]
	if b == nil {
		b = &bucket{limiter: rate.NewLimiter(l.rate, l.burst)}
		l.buckets[caller] = b
	}
	b.usedAt = now
	reservation := b.limiter.ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait > 0 {
		reservation.CancelAt(now)
	}
	return wait, wait == 0
}

// fill is how long an empty bucket takes to fill.
func (l *Limiter) fill() time.Duration {
	return time.Duration(float64(l.burst) / float64(l.rate) * float64(time.Second))
}

// sweepLocked forgets full buckets, at most once in the time that one takes to fill; mu is held.
func (l *Limiter) sweepLocked(now time.Time) {
	if now.Before(l.sweepAt) {
		return
	}
	l.sweepAt = now.Add(l.fill())
	for caller, b := range l.buckets {
		if now.Sub(b.usedAt) >= l.fill() {
			delete(l.buckets, caller)
		}
	}
}
