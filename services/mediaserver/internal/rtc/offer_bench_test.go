package rtc

import (
	"os"
	"testing"

	"github.com/orkestro/orkestro/pkg/control"
)

// chromiumOffer is what Chromium 156 offers to send: audio, video and data; the simulcast one has two layers of video.
func chromiumOffer(tb testing.TB, name string) string {
	tb.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

// BenchmarkProcessOffer is the whole of a browser's first offer: parsing, a new connection, the answer.
func BenchmarkProcessOffer(b *testing.B) {
	offer := chromiumOffer(b, "chromium-offer.sdp")
	engine := newTestEngine(b)
	audio, video := engine.NewSource(control.KindAudio), engine.NewSource(control.KindVideo)
	defer audio.Close()
	defer video.Close()
	b.ReportAllocs()
	for b.Loop() {
		description, err := ParseDescription(offer)
		if err != nil {
			b.Fatal(err)
		}
		peer, err := engine.NewPublishPeer(Handlers{})
		if err != nil {
			b.Fatal(err)
		}
		peer.Feed(map[string]*Source{"0": audio, "1": video}, nil)
		if _, _, err := peer.Answer(b.Context(), description); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		peer.Close()
		b.StartTimer()
	}
}
