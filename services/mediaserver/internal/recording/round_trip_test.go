package recording_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtp"

	"github.com/orkestro/orkestro/services/mediaserver/internal/playback"
	"github.com/orkestro/orkestro/services/mediaserver/internal/recording"
)

// wire brings the packets of a player to a track of a recorder. What spoil says is lost.
type wire struct {
	input *recording.Input
	codec string
	next  uint16 // sequence number, where clips follow each other
	spoil func(*rtp.Packet) bool
}

// Write implements playback.Feed.
func (w *wire) Write(packet []byte, _ time.Time) bool {
	var p rtp.Packet
	if err := p.Unmarshal(packet); err != nil {
		return false
	}
	if w.spoil == nil || !w.spoil(&p) {
		w.input.Write(w.codec, &p.Header, p.Payload)
	}
	return true
}

// Report implements playback.Feed.
func (w *wire) Report(ntp uint64, timestamp uint32) { w.input.Report(ntp, timestamp) }

// clip is one of the files of package playback.
func clip(name string) string { return filepath.Join("..", "playback", "testdata", name) }

func openFile(tb testing.TB, path string) *playback.Media {
	tb.Helper()
	file, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	info, err := file.Stat()
	if err != nil {
		tb.Fatal(err)
	}
	media, err := playback.Open(file, info.Size())
	if err != nil {
		tb.Fatalf("%s: %v", path, err)
	}
	return media
}

// samples reads a file, by codec.
func samples(tb testing.TB, path string) map[string][]playback.Sample {
	tb.Helper()
	media := openFile(tb, path)
	defer func() { _ = media.Close() }()
	list := map[string][]playback.Sample{}
	for {
		s, err := media.Next()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			tb.Fatal(err)
		}
		codec := media.Tracks()[s.Track].Codec
		list[codec] = append(list[codec], s)
	}
}

// tape is a recording in a test.
type tape struct {
	*recording.Recorder
	path    string
	profile recording.Profile

	mu     sync.Mutex
	failed []error
	asked  int // for keyframes
}

func newTape(tb testing.TB, profile string) *tape {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "recording")
	file, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	return newTapeOn(tb, profile, file, path)
}

func newTapeOn(tb testing.TB, profile string, file recording.File, path string) *tape {
	tb.Helper()
	parsed, err := recording.ParseProfile(profile)
	if err != nil {
		tb.Fatal(err)
	}
	tp := &tape{path: path, profile: parsed}
	tp.Recorder = recording.Record(file, recording.Config{
		Profile: parsed, Begun: func() {},
		RequestKeyframe: func() { tp.mu.Lock(); tp.asked++; tp.mu.Unlock() },
		Failed:          func(err error) { tp.mu.Lock(); tp.failed = append(tp.failed, err); tp.mu.Unlock() },
	})
	return tp
}

func (tp *tape) errors() []error {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	return tp.failed
}

// play sends a clip to the recorder; the wire of each track may be changed before.
func (tp *tape) play(t *testing.T, name string, change ...func(codec string, w *wire)) {
	t.Helper()
	ended := make(chan error, 1)
	player := tp.start(t, name, func(err error) { ended <- err }, change...)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	player.Stop()
}

func (tp *tape) start(
	t *testing.T, name string, ended func(error), change ...func(codec string, w *wire),
) *playback.Player {
	t.Helper()
	media := openFile(t, clip(name))
	var feeds []playback.Feed
	for _, track := range media.Tracks() {
		w := &wire{input: tp.Video(), codec: track.Codec}
		if track.Codec == playback.Opus {
			w.input = tp.Audio()
		}
		if _, wanted := tp.profile.Codec(track.Codec); !wanted {
			w.spoil = func(*rtp.Packet) bool { return true }
		}
		for _, do := range change {
			do(track.Codec, w)
		}
		feeds = append(feeds, w)
	}
	return playback.Play(media, feeds, ended)
}

// sameFrames says how frames of a recording differ from those of the clip, of which the first is taken for the beginning.
func sameFrames(t *testing.T, codec string, got, want []playback.Sample, tolerance time.Duration) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d frames of %s, want %d", len(got), codec, len(want))
	}
	for i := range want {
		if d := (got[i].Time - got[0].Time) - (want[i].Time - want[0].Time); d > tolerance || d < -tolerance {
			t.Errorf("%s: frame %d at %v, want %v", codec, i, got[i].Time-got[0].Time, want[i].Time-want[0].Time)
		}
		if got[i].Keyframe != want[i].Keyframe {
			t.Errorf("%s: frame %d: keyframe %v", codec, i, got[i].Keyframe)
		}
		if string(withoutSets(codec, got[i].Data)) != string(withoutSets(codec, want[i].Data)) {
			t.Errorf("%s: frame %d is another one", codec, i)
		}
	}
}

// withoutSets leaves away what is sent with a keyframe but may be apart from it in a file: parameter sets, and what says
// who encoded it, which is not sent; of AV1 temporal delimiters.
func withoutSets(codec string, data []byte) []byte {
	switch codec {
	case playback.H264:
		var kept []byte
		for len(data) > 4 {
			size := 4 + int(data[0])<<24 + int(data[1])<<16 + int(data[2])<<8 + int(data[3])
			if kind := data[4] & 31; kind != 7 && kind != 8 {
				kept = append(kept, data[:size]...)
			}
			data = data[size:]
		}
		return kept
	case playback.AV1:
		return []byte(strings.TrimPrefix(string(data), "\x12\x00"))
	default:
		return data
	}
}

// What was sent is in the file: the same frames, in order and at their times. What reads it is our own player; that
// other players read it too is seen by hand and in the tests with a browser.
func TestRecorder_RoundTrip(t *testing.T) {
	for _, test := range []struct{ profile, clip, video string }{
		{"WEBM", "vp8.webm", playback.VP8},
		{"WEBM", "vp9.webm", playback.VP9},
		{"WEBM_VIDEO_ONLY", "av1.webm", playback.AV1},
		{"MKV", "h264.mp4", playback.H264},
		{"MP4", "h264.mp4", playback.H264},
		{"MP4", "vp9.webm", playback.VP9},
		{"MP4_VIDEO_ONLY", "av1.webm", playback.AV1},
		{"WEBM_AUDIO_ONLY", "vp8.webm", ""},
		{"MP4_AUDIO_ONLY", "opus.ogg", ""},
	} {
		t.Run(test.profile+" "+test.clip, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tp := newTape(t, test.profile)
				tp.play(t, test.clip)
				tp.Stop()
				if len(tp.errors()) > 0 {
					t.Fatal(tp.errors())
				}
				want, got := samples(t, clip(test.clip)), samples(t, tp.path)
				if test.video != "" {
					sameFrames(t, test.video, got[test.video], want[test.video], time.Millisecond)
				}
				if test.video != "" { // a recording begins with a picture
					want[playback.Opus] = slices.DeleteFunc(want[playback.Opus], func(s playback.Sample) bool {
						return s.Time < want[test.video][0].Time
					})
				}
				if !strings.Contains(test.profile, "VIDEO_ONLY") {
					sameFrames(t, playback.Opus, got[playback.Opus], want[playback.Opus], time.Millisecond)
				}
				if test.video != "" && len(want[playback.Opus]) > 0 {
					before, now := want[test.video][9].Time-want[playback.Opus][9].Time, got[test.video][9].Time-got[playback.Opus][9].Time
					if d := before - now; d > 2*time.Millisecond || d < -2*time.Millisecond {
						t.Errorf("sound and picture are apart by %v", d)
					}
				}
			})
		})
	}
}
