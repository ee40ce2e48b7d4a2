package rtc

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
)

func newTestEngine(tb testing.TB) *Engine {
	tb.Helper()
	e, err := Open(NetworkConfig{UDPAddress: "127.0.0.1:0", Loopback: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := e.Close(); err != nil {
			tb.Error(err)
		}
	})
	return e
}

func sampleOffer(tb testing.TB) string {
	tb.Helper()
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = pc.GracefulClose() }()
	for _, mime := range []string{webrtc.MimeTypeVP8, webrtc.MimeTypeOpus} {
		track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime}, "track", "stream")
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := pc.AddTrack(track); err != nil {
			tb.Fatal(err)
		}
	}
	if _, err := pc.CreateDataChannel("data", nil); err != nil {
		tb.Fatal(err)
	}
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return offer.SDP
}

// FuzzProcessOffer gives any text to a publish connection: it is refused, or answered, and nothing else.
func FuzzProcessOffer(f *testing.F) {
	f.Add("")
	f.Add("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n")
	f.Add(sampleOffer(f))
	engine := newTestEngine(f)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDescription(text)
		if err != nil {
			if !errors.Is(err, ErrSDP) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		peer, err := engine.NewPublishPeer(Handlers{})
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		// Answered or not, it returns.
		_, _, _ = peer.Answer(ctx, d)
	})
}

func FuzzCheckCandidate(f *testing.F) {
	f.Add("candidate:1 1 udp 2122260223 192.0.2.1 54321 typ host ufrag abcd")
	f.Add("candidate:1 1 tcp 1518280447 2001:db8::1 9 typ host tcptype active")
	f.Add("candidate:1 1 udp 1 x.local 5 typ srflx raddr 0.0.0.0 rport 0")
	f.Fuzz(func(_ *testing.T, text string) {
		_ = CheckCandidate(control.Candidate{Candidate: text})
		_ = candidateUfrag(control.Candidate{Candidate: text})
	})
}
