package recording_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtp"

	"github.com/orkestro/orkestro/services/mediaserver/internal/playback"
	"github.com/orkestro/orkestro/services/mediaserver/internal/recording"
)

// onVideo changes the wire of the video.
func onVideo(change func(w *wire)) func(string, *wire) {
	return func(codec string, w *wire) {
		if codec != playback.Opus {
			change(w)
		}
	}
}

// A lost packet costs the pictures up to the next keyframe, which is asked for, and nothing else.
func TestRecorder_Loss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp := newTape(t, "WEBM")
		frame := 0
		tp.play(t, "vp8.webm", onVideo(func(w *wire) {
			w.spoil = func(p *rtp.Packet) bool {
				if p.Marker {
					frame++
				}
				return frame == 4 && p.Marker
			}
		}))
		tp.Stop()
		want, got := samples(t, clip("vp8.webm")), samples(t, tp.path)
		const lost, keyframe = 3, 10
		expected := append(append([]playback.Sample{}, want[playback.VP8][:lost]...), want[playback.VP8][keyframe:]...)
		sameFrames(t, playback.VP8, got[playback.VP8], expected, time.Millisecond)
		if len(got[playback.Opus]) != 100 {
			t.Errorf("%d packets of sound", len(got[playback.Opus]))
		}
		if tp.asked == 0 {
			t.Error("nobody asked for a keyframe")
		}
	})
}

// Packets that come late, twice or in another order make no difference.
func TestRecorder_Disorder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp := newTape(t, "WEBM")
		count := 0
		tp.play(t, "vp8.webm", func(_ string, w *wire) {
			w.spoil = func(p *rtp.Packet) bool {
				if count++; count < 20 {
					return false // a sink begins in order
				}
				again := *p
				again.Payload = append([]byte(nil), p.Payload...)
				time.AfterFunc(time.Duration(count*37%200)*time.Millisecond, func() {
					w.input.Write(w.codec, &again.Header, again.Payload)
				})
				return count%3 > 0
			}
		})
		time.Sleep(300 * time.Millisecond) // of the bubble
		tp.Stop()
		want, got := samples(t, clip("vp8.webm")), samples(t, tp.path)
		if len(got[playback.VP8]) != len(want[playback.VP8]) {
			t.Errorf("%d frames, want %d", len(got[playback.VP8]), len(want[playback.VP8]))
		}
		if len(got[playback.Opus]) != 100 {
			t.Errorf("%d packets of sound", len(got[playback.Opus]))
		}
	})
}

// Sound that takes longer than the picture is still where it belongs: the senders' reports say so.
func TestRecorder_KeepsInStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const delay = 300 * time.Millisecond
		tp := newTape(t, "MKV")
		tp.play(t, "vp8.webm", func(codec string, w *wire) {
			if codec != playback.Opus {
				return
			}
			w.spoil = func(p *rtp.Packet) bool {
				later := *p
				later.Payload = append([]byte(nil), p.Payload...)
				time.AfterFunc(delay, func() { w.input.Write(w.codec, &later.Header, later.Payload) })
				return true
			}
		})
		time.Sleep(2 * delay)
		tp.Stop()
		want, got := samples(t, clip("vp8.webm")), samples(t, tp.path)
		lead := func(list map[string][]playback.Sample) time.Duration {
			video, sound := list[playback.VP8], list[playback.Opus]
			return video[len(video)-1].Time - sound[len(sound)-1].Time
		}
		if d := lead(got) - lead(want); d > 3*time.Millisecond || d < -3*time.Millisecond {
			t.Errorf("the picture is ahead of the sound by %v, want %v", lead(got), lead(want))
		}
	})
}

// A pause is not in the file, and what follows it begins with a keyframe.
func TestRecorder_Pause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp := newTape(t, "WEBM")
		ended := make(chan error, 1)
		player := tp.start(t, "vp8.webm", func(err error) { ended <- err })
		time.Sleep(500 * time.Millisecond)
		tp.Pause()
		time.Sleep(500 * time.Millisecond)
		tp.Resume()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		player.Stop()
		tp.Stop()
		want, got := samples(t, clip("vp8.webm"))[playback.VP8], samples(t, tp.path)[playback.VP8]
		const before, keyframe = 8, 20 // frames until 500 ms, first keyframe after 1 s
		if len(got) != before+len(want)-keyframe {
			t.Fatalf("%d frames", len(got))
		}
		sameFrames(t, playback.VP8, got[:before], want[:before], time.Millisecond)
		sameFrames(t, playback.VP8, got[before:], want[keyframe:], time.Millisecond)
		if gap := got[before].Time - got[before-1].Time; gap <= 0 || gap > 80*time.Millisecond {
			t.Errorf("a gap of %v", gap)
		}
	})
}

// Whatever becomes of the process, the file can be played up to the last second.
func TestRecorder_UnfinishedFile(t *testing.T) {
	for _, test := range []struct{ profile, clip, codec string }{
		{"WEBM", "vp8.webm", playback.VP8}, {"MP4", "h264.mp4", playback.H264},
	} {
		synctest.Test(t, func(t *testing.T) {
			tp := newTape(t, test.profile)
			tp.play(t, test.clip)
			synctest.Wait()
			copied := filepath.Join(t.TempDir(), "copy") // what a killed process leaves behind
			data, err := os.ReadFile(tp.path)
			if err == nil {
				err = os.WriteFile(copied, data, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			got := samples(t, copied)
			if len(got[test.codec]) < 15 || len(got[playback.Opus]) < 50 {
				t.Errorf("%s: %d frames, %d packets of sound", test.profile, len(got[test.codec]), len(got[playback.Opus]))
			}
			tp.Stop()
		})
	}
}

// fullDisk takes so many bytes and no more.
type fullDisk struct {
	*os.File
	left atomic.Int64
}

// Write implements io.Writer.
func (d *fullDisk) Write(data []byte) (int, error) {
	if left := d.left.Add(-int64(len(data))); left < 0 {
		n, _ := d.File.Write(data[:max(0, int64(len(data))+left)])
		d.left.Store(0)
		return n, syscall.ENOSPC
	}
	return d.File.Write(data)
}

// A full disk is told once; what was written before can be played.
func TestRecorder_FullDisk(t *testing.T) {
	for _, test := range []struct{ profile, clip, codec string }{
		{"WEBM", "vp8.webm", playback.VP8}, {"MP4", "h264.mp4", playback.H264},
	} {
		for _, room := range []int64{100, 9000} {
			synctest.Test(t, func(t *testing.T) {
				file, err := os.Create(filepath.Join(t.TempDir(), "full"))
				if err != nil {
					t.Fatal(err)
				}
				disk := &fullDisk{File: file}
				disk.left.Store(room)
				tp := newTapeOn(t, test.profile, disk, file.Name())
				tp.play(t, test.clip)
				tp.Stop()
				if failed := tp.errors(); len(failed) != 1 || !errors.Is(failed[0], syscall.ENOSPC) {
					t.Errorf("%s: %v was told", test.profile, failed)
				}
				info, err := os.Stat(tp.path)
				if err != nil || info.Size() > room {
					t.Errorf("%s: %v, %v", test.profile, info, err)
				}
				if room < 1000 {
					return // not even the header
				}
				if got := samples(t, tp.path); len(got[test.codec]) < 5 {
					t.Errorf("%s: %d frames", test.profile, len(got[test.codec]))
				}
			})
		}
	}
}

// slowDisk takes nothing until it is let go.
type slowDisk struct {
	*os.File
	gate chan struct{}
}

// Write implements io.Writer.
func (d *slowDisk) Write(data []byte) (int, error) {
	<-d.gate
	return d.File.Write(data)
}

// A disk that is too slow holds nobody up: it costs pictures, which is told once.
func TestRecorder_SlowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file, err := os.Create(filepath.Join(t.TempDir(), "slow"))
		if err != nil {
			t.Fatal(err)
		}
		disk := &slowDisk{File: file, gate: make(chan struct{})}
		tp := newTapeOn(t, "WEBM_VIDEO_ONLY", disk, file.Name())
		w := &wire{input: tp.Video(), codec: playback.VP8}
		for range 80 { // 160 s, of which the queue holds less
			tp.again(t, "vp8.webm", w)
		}
		if len(tp.errors()) > 0 {
			t.Errorf("%v was told already", tp.errors())
		}
		close(disk.gate)
		tp.again(t, "vp8.webm", w)
		tp.Stop()
		if failed := tp.errors(); len(failed) != 1 || !errors.Is(failed[0], recording.ErrOverload) {
			t.Errorf("%v was told", failed)
		}
		known := map[string]bool{}
		for _, s := range samples(t, clip("vp8.webm"))[playback.VP8] {
			known[string(s.Data)] = true
		}
		got := samples(t, tp.path)[playback.VP8]
		for i, s := range got {
			if !known[string(s.Data)] {
				t.Fatalf("frame %d is none of those that were sent", i)
			}
		}
		if len(got) < 1500 || len(got) > 2300 {
			t.Errorf("%d frames", len(got))
		}
	})
}

// again plays a clip on a wire, numbered so that it goes on from the last time.
func (tp *tape) again(t *testing.T, name string, w *wire) {
	t.Helper()
	media := openFile(t, clip(name))
	feeds := make([]playback.Feed, len(media.Tracks()))
	feeds[0] = &continued{wire: w}
	ended := make(chan error, 1)
	player := playback.Play(media, feeds, func(err error) { ended <- err })
	if err := <-ended; err != nil {
		t.Error(err)
	}
	player.Stop()
}

// continued numbers what comes so that it follows what was sent before.
type continued struct {
	*wire
	begun    bool
	sequence uint16
	time     uint32
}

// Write implements playback.Feed.
func (c *continued) Write(packet []byte, at time.Time) bool {
	var p rtp.Packet
	if err := p.Unmarshal(packet); err != nil {
		return false
	}
	if !c.begun {
		c.begun = true
		c.sequence, c.time = c.next-p.SequenceNumber, uint32(at.UnixMilli()*90)-p.Timestamp
	}
	p.SequenceNumber += c.sequence
	p.Timestamp += c.time
	c.next = p.SequenceNumber + 1
	c.input.Write(c.codec, &p.Header, p.Payload)
	return true
}

// Report implements playback.Feed.
func (c *continued) Report(uint64, uint32) {}

// What nothing came of is told.
func TestRecorder_Nothing(t *testing.T) {
	tp := newTape(t, "MP4")
	tp.Pause()
	tp.Resume()
	tp.Stop()
	tp.Stop()
	if failed := tp.errors(); len(failed) != 1 || !errors.Is(failed[0], recording.ErrNothing) {
		t.Errorf("%v was told", failed)
	}
}
