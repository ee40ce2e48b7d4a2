package recording_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtp"

	"github.com/orkestro/orkestro/services/mediaserver/internal/playback"
)

// A track that comes seconds after the other one is not in the file, and that is told.
func TestRecorder_LateTrack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp := newTape(t, "WEBM")
		w := &wire{input: tp.Video(), codec: playback.VP8}
		for range 3 {
			tp.again(t, "vp8.webm", w)
		}
		tp.play(t, "opus.ogg")
		tp.Stop()
		if failed := tp.errors(); len(failed) != 1 || !strings.Contains(failed[0].Error(), "too late") {
			t.Errorf("%v was told", failed)
		}
		got := samples(t, tp.path)
		if len(got) != 1 || len(got[playback.VP8]) != 90 {
			t.Errorf("%d frames in %d tracks", len(got[playback.VP8]), len(got))
		}
	})
}

// H264 that begins without its parameter sets is waited with: nothing could be told to a player.
func TestRecorder_NoParameterSets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp := newTape(t, "MP4")
		keyframes := 0
		tp.play(t, "h264.mp4", onVideo(func(w *wire) {
			w.spoil = func(p *rtp.Packet) bool {
				const aggregate = 24 // STAP-A: the parameter sets
				if p.Payload[0]&31 != aggregate {
					return false
				}
				if keyframes++; keyframes == 1 {
					w.next++ // as if it had never been
					return true
				}
				return false
			}
			spoil := w.spoil
			w.spoil = func(p *rtp.Packet) bool {
				lost := spoil(p)
				p.SequenceNumber -= w.next
				return lost
			}
		}))
		tp.Stop()
		want, got := samples(t, clip("h264.mp4")), samples(t, tp.path)
		sameFrames(t, playback.H264, got[playback.H264], want[playback.H264][10:], time.Millisecond)
		if tp.asked == 0 {
			t.Error("nobody asked for a keyframe")
		}
	})
}

// However many packets are missing, the recording goes on behind them.
func TestRecorder_LongGap(t *testing.T) {
	for _, gap := range []uint16{100, 5000, 30_000, 40_000, 64_000} {
		synctest.Test(t, func(t *testing.T) {
			tp := newTape(t, "WEBM_VIDEO_ONLY")
			w := &wire{input: tp.Video(), codec: playback.VP8}
			tp.again(t, "vp8.webm", w)
			w.next += gap
			tp.again(t, "vp8.webm", w)
			tp.Stop()
			if got := samples(t, tp.path)[playback.VP8]; len(got) != 60 && len(got) != 50 {
				t.Errorf("%d frames over a gap of %d", len(got), gap)
			}
		})
	}
}
