package media_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
	"github.com/orkestro/orkestro/services/mediaserver/internal/playback"
)

// A file that is played into recorders comes out of them as it was, in as many files as there are recorders, and they
// stop when it ends.
func TestRecorder_PlayedFile(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	p := l.pipeline(t)
	player := must[*media.PlayerEndpoint](t)(p.NewPlayerEndpoint(l.uri("vp8.webm")))
	playing := l.keep(player)
	through := must[*media.PassThrough](t)(p.NewPassThrough())
	if err := player.Connect(through); err != nil {
		t.Fatal(err)
	}
	var diaries []*diary
	const recorders = 10
	for i := range recorders {
		recorder, d := l.recorder(t, p, fmt.Sprintf("many/%d.webm", i), "WEBM")
		if err := through.Connect(recorder); err != nil {
			t.Fatal(err)
		}
		if err := recorder.Record(t.Context()); err != nil {
			t.Fatal(err)
		}
		diaries = append(diaries, d)
	}
	if err := player.Play(t.Context()); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, playing.has(media.EventEndOfStream))
	if player.State() != "STOP" {
		t.Errorf("the player is in state %s", player.State())
	}
	want := l.frames(t, "vp8.webm")
	for i, d := range diaries {
		for _, event := range []string{media.EventRecording, media.EventStopped, media.EventURIEndpointStateChanged} {
			testkit.Eventually(t, d.has(event))
		}
		if failed := d.errors(); len(failed) > 0 {
			t.Errorf("recorder %d: %v", i, failed)
		}
		got := l.frames(t, fmt.Sprintf("many/%d.webm", i))
		sameVideo(t, got[playback.VP8], want[playback.VP8], 0)
		if sound := len(got[playback.Opus]); sound < 99 {
			t.Errorf("recorder %d: %d packets of sound", i, sound)
		}
	}
}

// sameVideo compares frames and the time between them; the first skipped ones may be missing in got, up to a keyframe.
func sameVideo(tb testing.TB, got, want []playback.Sample, skipped int) {
	tb.Helper()
	missing := len(want) - len(got)
	if missing < 0 || missing > skipped || len(got) == 0 {
		tb.Fatalf("%d frames, want %d", len(got), len(want))
	}
	want = want[missing:]
	for i := range got {
		const tolerance = 2 * time.Millisecond // both files count in milliseconds
		d := (got[i].Time - got[0].Time) - (want[i].Time - want[0].Time)
		if d > tolerance || d < -tolerance || got[i].Keyframe != want[i].Keyframe ||
			string(got[i].Data) != string(want[i].Data) {
			tb.Fatalf("frame %d at %v (keyframe %v), want one at %v (%v)",
				i, got[i].Time-got[0].Time, got[i].Keyframe, want[i].Time-want[0].Time, want[i].Keyframe)
		}
	}
}

// publish has a client send a clip from when it is connected; what is returned is closed at its end.
func (c *kurentoClient) publish(path string) <-chan struct{} {
	c.tb.Helper()
	file, err := os.Open(path)
	if err != nil {
		c.tb.Fatal(err)
	}
	info, err := file.Stat()
	if err != nil {
		c.tb.Fatal(err)
	}
	clip, err := playback.Open(file, info.Size())
	if err != nil {
		c.tb.Fatal(err)
	}
	var feeds []playback.Feed
	for i, track := range clip.Tracks() {
		local, err := webrtc.NewTrackLocalStaticRTP(
			webrtc.RTPCodecCapability{MimeType: track.Codec}, fmt.Sprint(i), "clip")
		if err != nil {
			c.tb.Fatal(err)
		}
		if _, err := c.pc.AddTrack(local); err != nil {
			c.tb.Fatal(err)
		}
		feeds = append(feeds, clientFeed{local})
	}
	c.negotiate()
	testkit.Eventually(c.tb, func() error { return c.raised(media.EventConnectionStateChanged) })
	ended := make(chan struct{})
	player := playback.Play(clip, feeds, func(error) { close(ended) })
	c.tb.Cleanup(player.Stop)
	return ended
}

type clientFeed struct{ track *webrtc.TrackLocalStaticRTP }

// Write implements playback.Feed.
func (f clientFeed) Write(packet []byte, _ time.Time) bool {
	_, err := f.track.Write(packet)
	return err == nil
}

// Report implements playback.Feed: the interceptors of the client report.
func (f clientFeed) Report(uint64, uint32) {}

// What a client publishes over the network is recorded, frame by frame.
func TestRecorder_WebRTC(t *testing.T) {
	t.Parallel()
	for clip, test := range map[string]struct{ profile, video string }{
		"vp8.webm": {"WEBM", playback.VP8}, "vp9.webm": {"MP4", playback.VP9}, "h264.mkv": {"MP4", playback.H264},
	} {
		t.Run(clip, func(t *testing.T) {
			t.Parallel()
			l := newLibrary(t)
			p := l.pipeline(t)
			client := newKurentoClient(t, l.fixture, p, media.WebRTCEndpointParams{})
			recorder, d := l.recorder(t, p, "out", test.profile)
			if err := client.endpoint.Connect(recorder); err != nil {
				t.Fatal(err)
			}
			if err := recorder.Record(t.Context()); err != nil {
				t.Fatal(err)
			}
			<-client.publish(filepath.Join(l.dir, clip))
			testkit.Eventually(t, func() error { // what was sent last may still be on its way
				flowing, err := recorder.MediaFlowingIn(media.Video)
				if err == nil && (flowing || len(recorder.Stats(media.Video)) == 0) {
					err = errors.New("not everything has come")
				}
				return err
			})
			if err := recorder.StopAndWait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if failed := d.errors(); len(failed) > 0 {
				t.Error(failed)
			}
			got, want := l.frames(t, "out"), l.frames(t, clip)
			const firstKeyframes = 20 // packets from before the connection is whole are lost
			if test.video == playback.H264 {
				got[test.video], want[test.video] = pictures(got[test.video]), pictures(want[test.video])
			}
			sameVideo(t, got[test.video], want[test.video], firstKeyframes)
			if len(got[playback.Opus]) < 30 {
				t.Errorf("%d packets of sound", len(got[playback.Opus]))
			}
		})
	}
}

// pictures leaves of H264 what is a picture: parameter sets go separate ways.
func pictures(samples []playback.Sample) []playback.Sample {
	for i, s := range samples {
		var kept []byte
		for data := s.Data; len(data) > 4; {
			size := 4 + int(data[0])<<24 + int(data[1])<<16 + int(data[2])<<8 + int(data[3])
			if kind := data[4] & 31; kind != 7 && kind != 8 {
				kept = append(kept, data[:size]...)
			}
			data = data[size:]
		}
		samples[i].Data = kept
	}
	return samples
}

// The release of the pipeline closes the file, which is whole then.
func TestRecorder_ReleaseKeepsTheFile(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	p := l.pipeline(t)
	player := must[*media.PlayerEndpoint](t)(p.NewPlayerEndpoint(l.uri("vp8.webm")))
	recorder, d := l.recorder(t, p, "released.mkv", "MKV")
	if err := player.Connect(recorder); err != nil {
		t.Fatal(err)
	}
	for _, do := range []error{recorder.Record(t.Context()), player.Play(t.Context())} {
		if do != nil {
			t.Fatal(do)
		}
	}
	testkit.Eventually(t, d.has(media.EventRecording))
	l.Release(p.ID())
	if frames := l.frames(t, "released.mkv")[playback.VP8]; len(frames) == 0 || !frames[0].Keyframe {
		t.Errorf("%d frames", len(frames))
	}
	if err := d.has(media.EventStopped)(); err != nil {
		t.Error(err)
	}
}

func TestRecorder_Pauses(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	p := l.pipeline(t)
	player := must[*media.PlayerEndpoint](t)(p.NewPlayerEndpoint(l.uri("vp8.webm")))
	recorder, d := l.recorder(t, p, "paused.webm", "WEBM_VIDEO_ONLY")
	if err := player.Connect(recorder); err != nil {
		t.Fatal(err)
	}
	for _, do := range []func() error{
		func() error { return recorder.Record(t.Context()) },
		func() error { return recorder.Pause(t.Context()) },
		func() error { return player.Play(t.Context()) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	if recorder.State() != "PAUSE" {
		t.Errorf("state %s", recorder.State())
	}
	testkit.Eventually(t, func() error {
		position, err := player.Position(t.Context())
		if err == nil && position < 700 {
			err = fmt.Errorf("at %d ms", position)
		}
		return err
	})
	if err := recorder.Record(t.Context()); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, d.has(media.EventStopped))
	want := l.frames(t, "vp8.webm")[playback.VP8]
	sameVideo(t, l.frames(t, "paused.webm")[playback.VP8], want, 20)
	if err := d.has(media.EventPaused)(); err != nil {
		t.Error(err)
	}
}

// A codec that a container does not have is told, and is not the end of the recording.
func TestRecorder_CodecThatDoesNotFit(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	p := l.pipeline(t)
	player := must[*media.PlayerEndpoint](t)(p.NewPlayerEndpoint(l.uri("vp8.webm")))
	recorder, d := l.recorder(t, p, "sound.mp4", "MP4")
	if err := player.Connect(recorder); err != nil {
		t.Fatal(err)
	}
	for _, do := range []error{recorder.Record(t.Context()), player.Play(t.Context())} {
		if do != nil {
			t.Fatal(do)
		}
	}
	testkit.Eventually(t, d.has(media.EventStopped))
	testkit.Eventually(t, d.has(media.EventError))
	if failed := d.errors(); len(failed) != 1 {
		t.Errorf("%v was told, want that VP8 is not recorded", failed)
	}
	if got := l.frames(t, "sound.mp4"); len(got[playback.Opus]) < 99 || len(got) != 1 {
		t.Errorf("%d packets of sound in %d tracks", len(got[playback.Opus]), len(got))
	}
}
