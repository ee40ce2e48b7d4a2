package media_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

// A client that gets no UDP through sends over TCP.
func TestTCP_CarriesMedia(t *testing.T) {
	server, err := media.NewServer(media.Config{Network: rtc.NetworkConfig{
		UDPAddress: "127.0.0.1:0", TCPAddress: "127.0.0.1:0", Loopback: true,
	}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	p, err := server.CreatePipeline("s", 1)
	if err != nil {
		t.Fatal(err)
	}
	pub := newPublisher(t, p, "ann")
	pub.pc = newClientPCWith(t, false, func(s *webrtc.SettingEngine) {
		s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4})
	})
	pub.track(webrtc.MimeTypeVP8, "cam")
	if answer := pub.publish().Answer; !strings.Contains(answer, "tcptype passive") {
		t.Errorf("no TCP candidate in %s", answer)
	}
	testkit.Eventually(t, func() error {
		if server.Stats().PacketsIn < 50 {
			return errors.New("no media")
		}
		return nil
	})
	server.Release(p.ID())
}
