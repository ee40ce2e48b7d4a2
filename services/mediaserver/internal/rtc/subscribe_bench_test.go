package rtc

import (
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
)

// BenchmarkSubscribe is the server's part of a first negotiation with a receiver of one audio and one video track: a new
// connection, the offer, and its answer.
func BenchmarkSubscribe(b *testing.B) {
	engine := newTestEngine(b)
	audio, video := newStream(b, engine, control.KindAudio, opus()), newStream(b, engine, control.KindVideo, vp8())
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		client, err := webrtc.NewPeerConnection(webrtc.Configuration{})
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		server, err := engine.NewSubscribePeer(Handlers{})
		if err != nil {
			b.Fatal(err)
		}
		tracks := []Track{{Stream: "a", Source: audio.Source}, {Stream: "a", Source: video.Source}}
		if _, err := server.SetTracks(tracks); err != nil {
			b.Fatal(err)
		}
		offer, err := server.Offer(b.Context(), false)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		b.ReportMetric(float64(len(offer)), "offer-bytes")
		b.ReportMetric(float64(strings.Count(offer, "a=rtpmap")), "formats")
		answer := answerOf(b, client, offer)
		b.StartTimer()
		d, err := ParseDescription(answer)
		if err != nil {
			b.Fatal(err)
		}
		if err := server.Accept(d); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		server.Close()
		_ = client.Close()
		b.StartTimer()
	}
}

func answerOf(tb testing.TB, client *webrtc.PeerConnection, offer string) string {
	tb.Helper()
	if err := client.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		tb.Fatal(err)
	}
	answer, err := client.CreateAnswer(nil)
	if err != nil {
		tb.Fatal(err)
	}
	if err := client.SetLocalDescription(answer); err != nil {
		tb.Fatal(err)
	}
	return answer.SDP
}
