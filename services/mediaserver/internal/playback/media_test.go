package playback_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orkestro/orkestro/services/mediaserver/internal/playback"
)

func open(tb testing.TB, name string) *playback.Media {
	tb.Helper()
	file, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	info, err := file.Stat()
	if err != nil {
		tb.Fatal(err)
	}
	media, err := playback.Open(file, info.Size())
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	tb.Cleanup(func() {
		if err := media.Close(); err != nil {
			tb.Error(err)
		}
	})
	return media
}

// rest reads what is left of a file, by track.
func rest(tb testing.TB, media *playback.Media) map[int][]playback.Sample {
	tb.Helper()
	samples := map[int][]playback.Sample{}
	for {
		s, err := media.Next()
		if errors.Is(err, io.EOF) {
			return samples
		}
		if err != nil {
			tb.Fatal(err)
		}
		samples[s.Track] = append(samples[s.Track], s)
	}
}

// Counts and durations are those that ffprobe gives.
func TestMedia_ReadsEveryFormat(t *testing.T) {
	const video, sound = 30, 101
	for name, want := range map[string]struct {
		codecs   []string
		counts   []int
		duration time.Duration
	}{
		"vp8.webm":      {[]string{playback.VP8, playback.Opus}, []int{video, sound}, 2008 * time.Millisecond},
		"live.webm":     {[]string{playback.VP8, playback.Opus}, []int{video, sound}, 0},
		"vp9.webm":      {[]string{playback.VP9, playback.Opus}, []int{video, sound}, 2008 * time.Millisecond},
		"h264.mkv":      {[]string{playback.H264, playback.Opus}, []int{video, sound}, 2008 * time.Millisecond},
		"h264.mp4":      {[]string{playback.H264, playback.Opus}, []int{video, sound}, 2007 * time.Millisecond},
		"fragments.mp4": {[]string{playback.H264, playback.Opus}, []int{video, sound}, 2007 * time.Millisecond},
		"bframes.mp4":   {[]string{playback.H264}, []int{video}, 2 * time.Second},
		"av1.webm":      {[]string{playback.AV1}, []int{video}, 2 * time.Second},
		"av1.mp4":       {[]string{playback.AV1}, []int{video}, 2 * time.Second},
		"av1.ivf":       {[]string{playback.AV1}, []int{video}, 1933 * time.Millisecond},
		"vp8.ivf":       {[]string{playback.VP8}, []int{video}, 1933 * time.Millisecond},
		"opus.ogg":      {[]string{playback.Opus}, []int{sound}, 2014 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			media := open(t, name)
			var codecs []string
			for _, track := range media.Tracks() {
				codecs = append(codecs, track.Codec)
			}
			if diff := cmp.Diff(want.codecs, codecs); diff != "" {
				t.Error(diff)
			}
			const tolerance = 25 * time.Millisecond // the length of the last frame is not always told
			if d := media.Duration() - want.duration; want.duration > 0 && (d > tolerance || d < -tolerance) {
				t.Errorf("duration %v, want %v", media.Duration(), want.duration)
			}
			samples := rest(t, media)
			for track, count := range want.counts {
				if len(samples[track]) != count {
					t.Errorf("%d samples of track %d, want %d", len(samples[track]), track, count)
				}
				if !samples[track][0].Keyframe {
					t.Errorf("track %d does not begin with a keyframe", track)
				}
			}
		})
	}
}

// All containers hold the same frames.
func TestMedia_SameFramesFromEveryContainer(t *testing.T) {
	for reference, others := range map[string][]string{
		"vp8.webm": {"live.webm", "vp8.ivf"}, "h264.mp4": {"fragments.mp4", "h264.mkv"}, "av1.mp4": {"av1.webm"},
	} {
		want := rest(t, open(t, reference))[0]
		for _, other := range others {
			got := rest(t, open(t, other))[0]
			if len(got) != len(want) {
				t.Fatalf("%s: %d frames, %s has %d", other, len(got), reference, len(want))
			}
			for i := range want {
				const tolerance = 8 * time.Millisecond // ffmpeg delays the picture of the Matroska file by the lead of the sound
				if d := got[i].Time - want[i].Time; d > tolerance || d < -tolerance || got[i].Keyframe != want[i].Keyframe {
					t.Errorf("%s: frame %d at %v, keyframe %v; want %v, %v",
						other, i, got[i].Time, got[i].Keyframe, want[i].Time, want[i].Keyframe)
				}
				if string(got[i].Data) != string(want[i].Data) {
					t.Errorf("%s: frame %d is another one", other, i)
				}
			}
		}
	}
}

func TestMedia_SeeksToAKeyframe(t *testing.T) {
	for _, name := range []string{
		"vp8.webm", "vp9.webm", "live.webm", "h264.mkv", "h264.mp4", "fragments.mp4", "bframes.mp4", "av1.mp4", "av1.ivf",
		"vp8.ivf", "opus.ogg",
	} {
		media := open(t, name)
		for _, to := range []time.Duration{1500 * time.Millisecond, 0, time.Second} {
			if err := media.Seek(to); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			samples := rest(t, media)[0]
			if len(samples) == 0 || samples[0].Time > to+50*time.Millisecond || !samples[0].Keyframe && name != "live.webm" {
				t.Errorf("%s: seeking to %v: %d samples, the first at %v", name, to, len(samples), samples[0].Time)
			}
		}
		if err := media.Seek(time.Hour); name != "live.webm" && !errors.Is(err, playback.ErrSeek) {
			t.Errorf("%s: seeking behind the end: %v", name, err)
		}
	}
}

func TestOpen_RefusesWhatItCannotSend(t *testing.T) {
	for name, want := range map[string]error{"aac.mp4": playback.ErrCodec, "README.md": playback.ErrFormat} {
		file, err := os.Open(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		info, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := playback.Open(file, info.Size()); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if err := file.Close(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s was left open", name)
		}
	}
}

// A file that is cut off anywhere plays up to there.
func TestMedia_CutOff(t *testing.T) {
	for _, name := range []string{"vp8.webm", "live.webm", "fragments.mp4", "opus.ogg", "vp8.ivf"} {
		whole, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		before := 0
		for size := 0; size <= len(whole); size += 97 {
			media, err := playback.Open(memory(whole), int64(size))
			if err != nil {
				if before > 0 {
					t.Fatalf("%s: %d bytes cannot be opened: %v", name, size, err)
				}
				continue
			}
			count := 0
			for _, samples := range rest(t, media) {
				count += len(samples)
			}
			if count < before {
				t.Fatalf("%s: %d samples in %d bytes, and %d in less", name, count, size, before)
			}
			before = count
		}
		if before < 20 {
			t.Errorf("%s: %d samples", name, before)
		}
	}
}
