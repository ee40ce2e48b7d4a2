package rtc

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestLosses_AskUntilItComes(t *testing.T) {
	var l losses
	now := time.Unix(0, 0)
	const first = uint64(firstSequence)
	for _, s := range []uint64{0, 1, 4} {
		if fresh, _ := l.arrived(first+s, now); !fresh {
			t.Errorf("packet %d counts as a repetition", s)
		}
	}
	due := func(after time.Duration, want string) {
		t.Helper()
		now = now.Add(after)
		var got []uint64
		for _, s := range l.due(now, nil) {
			got = append(got, s-first)
		}
		if fmt.Sprint(got) != want {
			t.Errorf("asks for %v, want %s", got, want)
		}
	}
	due(0, "[]")
	due(lossPatience, "[2 3]")
	due(lossRetry/2, "[]")
	if fresh, _ := l.arrived(first+2, now); !fresh {
		t.Error("a packet that was asked for counts as a repetition")
	}
	if fresh, _ := l.arrived(first+2, now); fresh {
		t.Error("a repetition counts as new")
	}
	due(lossRetry/2, "[3]")
	for range lossAttempts - 2 {
		due(lossRetry, "[3]")
	}
	due(lossRetry, "[]")
	if _, hopeless := l.arrived(first+4+maxLost+2, now); !hopeless {
		t.Error("too large a gap is asked for")
	}
	due(time.Second, "[]")
}

// Every packet counts as new exactly once, in whatever order and however often packets come.
func TestLosses_TellRepetitions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l losses
		l.arrived(firstSequence, time.Time{})
		seen := map[uint64]bool{firstSequence: true}
		for _, offset := range rapid.SliceOf(rapid.Uint64Range(1, maxLost)).Draw(t, "packets") {
			fresh, hopeless := l.arrived(firstSequence+offset, time.Time{})
			if fresh == seen[firstSequence+offset] || hopeless {
				t.Fatalf("packet %d: fresh %v, seen %v, hopeless %v", offset, fresh, seen[firstSequence+offset], hopeless)
			}
			seen[firstSequence+offset] = true
		}
	})
}
