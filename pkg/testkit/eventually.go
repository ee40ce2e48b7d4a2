// Package testkit holds what tests of several packages need: waiting for a condition, and real dependencies that belong
// to one test run.
package testkit

import (
	"testing"
	"time"
)

const (
	eventuallyTimeout = time.Minute // generous: machines are noisy, and a condition that holds ends the wait
	eventuallyStep    = 5 * time.Millisecond
)

// Eventually waits until condition returns nil. The condition says why it is not true yet; the last reason is the
// failure.
func Eventually(tb testing.TB, condition func() error) {
	tb.Helper()
	deadline := time.Now().Add(eventuallyTimeout)
	for {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("condition did not come true in %s: %v", eventuallyTimeout, err)
		}
		time.Sleep(eventuallyStep)
	}
}
