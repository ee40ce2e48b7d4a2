package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/orkestro/orkestro/services/wrapper/app"
)

func TestConfig_GraceTimeBelowWhatIsKnown(t *testing.T) {
	c := app.Config{
		Concurrency: 1, MaxAttempts: 1, MaxFailures: 1, RequestTimeout: time.Second, GraceTime: 4999 * time.Millisecond,
		EmptyTimeout: time.Second, ForgetAfter: time.Second, SweepPeriod: time.Second, ReconcilePeriod: time.Second,
	}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "--grace-time: 5s or more is needed, not 4.999s") {
		t.Errorf("got %v", err)
	}
	c.GraceTime = 5 * time.Second
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}
