package kurento_test

import (
	"os"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"

	"github.com/orkestro/orkestro/tests/harness"
)

// caller is a browser that sends one picture stream in, and receives one.
type caller struct {
	*webrtc.PeerConnection

	received chan struct{}
}

func newCaller(t *testing.T) *caller {
	t.Helper()
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.GracefulClose() })
	c := &caller{PeerConnection: pc, received: make(chan struct{})}
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for range 20 {
			if _, _, err := track.ReadRTP(); err != nil {
				return
			}
		}
		close(c.received)
	})
	return c
}

// send sends packets until the test ends.
func (c *caller) send(t *testing.T) {
	t.Helper()
	track, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "video", "cam")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.AddTrack(track); err != nil {
		t.Fatal(err)
	}
	sending(t, track)
}

// sending sends samples on a track until the test ends.
func sending(t *testing.T, track *webrtc.TrackLocalStaticSample) {
	t.Helper()
	const interval = 10 * time.Millisecond
	done := make(chan struct{})
	var sender sync.WaitGroup
	sender.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				_ = track.WriteSample(media.Sample{Data: make([]byte, 100), Duration: interval})
			}
		}
	})
	t.Cleanup(func() {
		close(done)
		sender.Wait()
	})
}

func readLog(t *testing.T, alone *harness.Alone) string {
	t.Helper()
	text, err := os.ReadFile(alone.Log())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
