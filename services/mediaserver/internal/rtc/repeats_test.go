package rtc

import (
	"testing"
	"time"
)

func TestRepeats_AreBounded(t *testing.T) {
	var r repeats
	now := time.Now()
	taken := 0
	for range 100 {
		if r.take(7, now) {
			taken++
		}
	}
	if taken != maxRepeats {
		t.Errorf("%d repetitions of one packet", taken)
	}
	if !r.take(8, now) {
		t.Error("another packet was refused")
	}
	if !r.take(7, now.Add(repeatsMemory+time.Second)) {
		t.Error("a later packet of the same number was refused")
	}
}
