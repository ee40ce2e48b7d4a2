package recording

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A track whose reports say that it is late is brought to where it belongs, slowly, and time never goes backwards.
func TestClock_FollowsSlowly(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	sound, picture := clock{rate: AudioClock}, clock{rate: VideoClock}
	const late = 200 * time.Millisecond
	var last time.Time
	for i := range 300 { // 10 s of pictures
		at := time.Duration(i) * time.Second / 30
		sound.time(uint32(at*AudioClock/time.Second), start.Add(at))
		now := picture.time(uint32(at*VideoClock/time.Second), start.Add(at+late))
		if i > 0 && (now.Sub(last) < 25*time.Millisecond || now.Sub(last) > 40*time.Millisecond) {
			t.Fatalf("a step of %v", now.Sub(last))
		}
		last = now
		if i == 30 {
			picture.follow(&sound, false) // nothing is reported yet
			sound.report(0, start.Add(-time.Hour))
			picture.report(0, start.Add(-time.Hour))
			picture.follow(&sound, false)
		}
	}
	if off := last.Sub(start.Add(299 * time.Second / 30)); off > time.Millisecond || off < -time.Millisecond {
		t.Errorf("the picture is late by %v", off)
	}
}

// Whatever a sender writes into its packets, times stay near those of arrival.
func TestClock_StaysNear(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, other := clock{rate: VideoClock}, clock{rate: AudioClock}
		at := time.Unix(1_800_000_000, 0)
		for range rapid.IntRange(1, 50).Draw(t, "packets") {
			at = at.Add(time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "pause")))
			if rapid.Bool().Draw(t, "report") {
				c.report(rapid.Uint32().Draw(t, "reported"), ntpTime(rapid.Uint64().Draw(t, "ntp")))
				other.report(rapid.Uint32().Draw(t, "reported"), ntpTime(rapid.Uint64().Draw(t, "ntp")))
				c.follow(&other, rapid.Bool().Draw(t, "at once"))
			}
			other.time(rapid.Uint32().Draw(t, "timestamp"), at)
			now := c.time(rapid.Uint32().Draw(t, "timestamp"), at)
			if d := now.Sub(at); d > maxDrift || d < -maxDrift {
				t.Fatalf("off by %v", d)
			}
		}
	})
}
