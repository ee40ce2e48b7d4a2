package attempt_test

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/broker/internal/attempt"
)

func TestDelay_GrowsWithinBounds(t *testing.T) {
	for earlier, longest := range map[int]time.Duration{
		-1: 50 * time.Millisecond, 0: 50 * time.Millisecond, 1: 100 * time.Millisecond, 3: 400 * time.Millisecond,
		7: 5 * time.Second, 1000: 5 * time.Second,
	} {
		for range 100 {
			if d := attempt.Delay(earlier); d > longest || d < longest*3/4 {
				t.Fatalf("after %d tries: %s, want %s or up to a quarter less", earlier, d, longest)
			}
		}
	}
}

func TestLevel_OvertakingIsNoWarning(t *testing.T) {
	err := errors.New("no")
	want := []slog.Level{slog.LevelDebug, slog.LevelDebug, slog.LevelWarn, slog.LevelWarn}
	for earlier, level := range want {
		if got := attempt.Level(err, earlier); got != level {
			t.Errorf("after %d tries: %s, want %s", earlier, got, level)
		}
	}
	if got := attempt.Level(broker.Postpone(err), 100); got != slog.LevelDebug {
		t.Errorf("postponed: %s", got)
	}
}

func TestFailed_PostponedDoesNotCount(t *testing.T) {
	err := errors.New("no")
	if tries, _ := attempt.Failed(err, 2); tries != 3 {
		t.Errorf("%d tries after the third failed", tries)
	}
	if tries, delay := attempt.Failed(broker.Postpone(err), 2); tries != 2 || delay < 500*time.Millisecond {
		t.Errorf("%d tries, and the next in %s, after one was postponed", tries, delay)
	}
}

func TestGiveUp(t *testing.T) {
	err := errors.New("no")
	for _, c := range []struct {
		err          error
		earlier, max int
		want         bool
	}{
		{err, 0, 3, false},
		{err, 1, 3, false},
		{err, 2, 3, true},
		{err, 0, 1, true},
		{broker.Permanent(err), 0, 3, true},
		{broker.Postpone(err), 2, 3, false},
	} {
		if got := attempt.GiveUp(c.err, c.earlier, c.max); got != c.want {
			t.Errorf("GiveUp(%v, %d, %d) = %t", c.err, c.earlier, c.max, got)
		}
	}
}
