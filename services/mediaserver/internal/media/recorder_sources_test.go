package media_test

import (
	"slices"
	"testing"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
	"github.com/orkestro/orkestro/services/mediaserver/internal/playback"
)

// What feeds a recorder may change: the file goes on with the next one's first keyframe. One of another codec cannot go
// on in the same file, which is told once.
func TestRecorder_ChangesOfSource(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	p := l.pipeline(t)
	recorder := must[*media.RecorderEndpoint](t)(p.NewRecorderEndpoint(media.RecorderEndpointParams{
		URI: l.uri("changing.webm"), MediaProfile: "WEBM",
	}))
	d := l.keep(recorder)
	play := func(name string) *diary {
		player := must[*media.PlayerEndpoint](t)(p.NewPlayerEndpoint(l.uri(name)))
		playing := l.keep(player)
		if err := player.Connect(recorder); err != nil {
			t.Fatal(err)
		}
		if err := player.Play(t.Context()); err != nil {
			t.Fatal(err)
		}
		return playing
	}
	if err := recorder.Record(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := play("vp8.webm")
	testkit.Eventually(t, d.has(media.EventRecording))
	second := play("vp8.webm")
	testkit.Eventually(t, second.has(media.EventEndOfStream))
	third := play("vp9.webm")
	testkit.Eventually(t, third.has(media.EventEndOfStream))
	if err := recorder.StopAndWait(t.Context()); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, first.has(media.EventEndOfStream))

	if failed := d.errors(); len(failed) != 1 {
		t.Errorf("%v was told, want that the codec changed", failed)
	}
	want, got := l.frames(t, "vp8.webm")[playback.VP8], l.frames(t, "changing.webm")
	frames := got[playback.VP8]
	if len(frames) <= len(want) || len(frames) > 2*len(want) {
		t.Errorf("%d frames of two times %d", len(frames), len(want))
	}
	sameVideo(t, frames[len(frames)-len(want):], want, 0)
	for i, f := range frames {
		if !slices.ContainsFunc(want, func(w playback.Sample) bool { return string(w.Data) == string(f.Data) }) {
			t.Errorf("frame %d was not sent", i)
		}
		if i > 0 && f.Time <= frames[i-1].Time {
			t.Errorf("frame %d at %v, the one before at %v", i, f.Time, frames[i-1].Time)
		}
	}
	if sound := len(got[playback.Opus]); sound < 200 { // of two whole clips and the beginning of one
		t.Errorf("%d packets of sound", sound)
	}
}
