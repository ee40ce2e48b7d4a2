package speaker_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/mediaserver/internal/speaker"
)

// room is a detector and its clock.
type room struct {
	speaker.Detector
	now time.Time
}

// says lets periods pass in which the streams are heard at these levels; 0: silence.
func (r *room) says(periods int, levels map[control.StreamID]float64) (told [][]control.StreamID) {
	for range periods {
		r.now = r.now.Add(speaker.Period)
		var heard []speaker.Heard
		for id, level := range levels {
			h := speaker.Heard{Stream: id, Packets: 15}
			if level > 0 {
				h.Loud, h.Level = 12, level
			}
			heard = append(heard, h)
		}
		if speaking, changed := r.Look(heard, r.now); changed {
			told = append(told, speaking)
		}
	}
	return told
}

func newRoom() *room { return &room{now: time.Unix(0, 0)} }

func expect(t *testing.T, got [][]control.StreamID, want ...[]control.StreamID) {
	t.Helper()
	if !slices.EqualFunc(got, want, func(a, b []control.StreamID) bool { return slices.Equal(a, b) }) {
		t.Errorf("told %v, want %v", got, want)
	}
}

func TestDetector_OneSpeaksAndEnds(t *testing.T) {
	r := newRoom()
	expect(t, r.says(10, map[control.StreamID]float64{"a": 0, "b": 0}))
	expect(t, r.says(10, map[control.StreamID]float64{"a": 90, "b": 0}), []control.StreamID{"a"})
	expect(t, r.says(2, map[control.StreamID]float64{"a": 0, "b": 0})) // between two words
	expect(t, r.says(5, map[control.StreamID]float64{"a": 90, "b": 0}))
	expect(t, r.says(10, map[control.StreamID]float64{"a": 0, "b": 0}), []control.StreamID{})
}

func TestDetector_ACoughIsNoSpeech(t *testing.T) {
	r := newRoom()
	r.says(5, map[control.StreamID]float64{"a": 0})
	expect(t, r.says(1, map[control.StreamID]float64{"a": 120}))
	expect(t, r.says(5, map[control.StreamID]float64{"a": 0}))
}

func TestDetector_OnlyTheClearlyLouderComesFirst(t *testing.T) {
	r := newRoom()
	expect(t, r.says(10, map[control.StreamID]float64{"a": 90, "b": 80}), []control.StreamID{"a", "b"})
	expect(t, r.says(20, map[control.StreamID]float64{"a": 90, "b": 93}))
	expect(t, r.says(10, map[control.StreamID]float64{"a": 80, "b": 95}), []control.StreamID{"b", "a"})
}

func TestDetector_AStreamThatIsGoneDoesNotSpeak(t *testing.T) {
	r := newRoom()
	r.says(10, map[control.StreamID]float64{"a": 90, "b": 80})
	expect(t, r.says(4, map[control.StreamID]float64{"b": 80}), []control.StreamID{"b"})
}

// Whatever is heard: nobody twice, nobody who is not there, no change sooner than a second after the last.
func TestDetector_Property(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRoom()
		last := time.Unix(-100, 0)
		for range rapid.IntRange(1, 60).Draw(t, "periods") {
			levels := rapid.MapOf(rapid.SampledFrom([]control.StreamID{"a", "b", "c", "d"}),
				rapid.Float64Range(0, 127)).Draw(t, "levels")
			for _, speaking := range r.says(1, levels) {
				if r.now.Sub(last) < time.Second {
					t.Fatalf("told again after %v", r.now.Sub(last))
				}
				last = r.now
				for i, id := range speaking {
					if _, there := levels[id]; !there || slices.Contains(speaking[:i], id) {
						t.Fatalf("told %v of %v", speaking, levels)
					}
				}
			}
		}
	})
}
