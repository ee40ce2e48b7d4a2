package announce

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/orkestro/orkestro/pkg/logging"
)

const (
	firstDelay = 100 * time.Millisecond
	maxDelay   = 2 * time.Second // chosen: a fleet is no load at this pace, and a restarted broker is found soon
)

// delay is how long to wait before trying again after so many failures: doubling, bounded, half of it left to chance so
// that servers that failed together do not come back together.
func delay(failures int) time.Duration {
	d := maxDelay
	if failures < 8 {
		d = min(maxDelay, firstDelay<<failures)
	}
	return d/2 + time.Duration(rand.Int64N(int64(d/2))) //nolint:gosec // jitter needs no secrecy
}

// Retry calls try until it succeeds or ctx ends, whose error it then returns. The first failure and the success after
// it are logged; doing says what is tried.
func Retry(ctx context.Context, logger *slog.Logger, doing string, try func(context.Context) error) error {
	for failures := 0; ; failures++ {
		err := try(ctx)
		if err == nil {
			if failures > 0 {
				logger.Info("succeeded after failures", logging.KeyType, doing, "failures", failures)
			}
			return nil
		}
		if failures == 0 && ctx.Err() == nil {
			logger.Warn("failed, trying again until it succeeds", logging.KeyType, doing, logging.KeyError, err)
		}
		timer := time.NewTimer(delay(failures))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}
