// Package attempt is the policy for messages whose handler failed, the same in every adapter of package broker: how
// long to wait before the next try, and when to give up. It knows neither queues nor connections.
package attempt

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
)

const (
	firstDelay = 50 * time.Millisecond // chosen: outlasts a lost race or a short database hiccup
	maxDelay   = 5 * time.Second       // chosen: the delivery is held meanwhile, so its queue moves slower
	jitter     = 0.25                  // share of the delay that is left to chance
)

// Delay is how long to wait before the next try of a message that has just failed, after so many earlier tries:
// doubling, bounded, with jitter so that messages that failed together do not come back together.
func Delay(earlier int) time.Duration {
	delay := maxDelay
	if shift := max(earlier, 0); shift < 16 {
		delay = min(maxDelay, firstDelay<<shift)
	}
	return delay - time.Duration(jitter*rand.Float64()*float64(delay)) //nolint:gosec // jitter needs no secrecy
}

// Failed is how many tries of a message count after one that ended with err, and how long to wait before the next.
func Failed(err error, earlier int) (tries int, delay time.Duration) {
	if broker.IsPostponed(err) {
		return earlier, Delay(postponedTries)
	}
	return earlier + 1, Delay(earlier)
}

// postponedTries stands for the unknown number of tries that found what they need away: the delay is about a second.
const postponedTries = 4

// GiveUp reports whether a try that failed with err, after so many earlier ones, was the last of max.
func GiveUp(err error, earlier, max int) bool {
	return broker.IsPermanent(err) || earlier+1 >= max && !broker.IsPostponed(err)
}

// quietTries are those whose failure operators need not see: a message that overtook another finds its way by itself.
const quietTries = 2

// Level is how loud a failure is that will be repeated, after so many earlier ones. That something is away is said by
// whoever finds out, once.
func Level(err error, earlier int) slog.Level {
	if earlier < quietTries || broker.IsPostponed(err) {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// Lost is the error of a message whose consumers died with it in hand as often as it may be tried.
func Lost(earlier int) error {
	return fmt.Errorf("lost with its consumer or failed in each of %d tries", earlier)
}

// Failure is what the dead-letter queue says about a message of queue that was tried so often and ended with err.
func Failure(queue string, tries int, err error, now time.Time) *broker.Failure {
	return &broker.Failure{Queue: queue, Reason: err.Error(), Time: now, Attempts: tries}
}
