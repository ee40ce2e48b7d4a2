package rtc

import (
	"errors"
	"testing"

	"github.com/pion/rtcp"
	"github.com/pion/transport/v4/packetio"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
)

// A stream that ended makes room for another.
func TestStreamLimit_CountsOpenStreams(t *testing.T) {
	overflows := 0
	l := streamLimit{overflow: func() { overflows++ }}
	for ssrc := range uint32(2 * maxIncoming) {
		b := l.buffer(packetio.RTPBufferPacket, ssrc)
		_, _ = b.Close(), b.Close()
	}
	for ssrc := range uint32(maxIncoming) {
		l.buffer(packetio.RTPBufferPacket, ssrc)
	}
	if overflows != 0 {
		t.Fatal("streams that are there no more were counted")
	}
	for ssrc := range uint32(3) {
		l.buffer(packetio.RTPBufferPacket, maxIncoming+ssrc)
	}
	if overflows != 1 {
		t.Errorf("it overflowed %d times", overflows)
	}
}

// A client that reports on streams without end loses its connection, and nothing else happens.
func TestStreamLimit_EndsTheConnection(t *testing.T) {
	engine := newTestEngine(t)
	source := newStream(t, engine, control.KindVideo, vp8())
	closed := make(chan struct{}, 1)
	v := newViewer(t, engine, (*webrtc.MediaEngine).RegisterDefaultCodecs)
	v.watch(Track{Stream: "cam", Source: source.Source})
	v.server.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateClosed {
			closed <- struct{}{}
		}
	})
	testkit.Eventually(t, func() error { // the client may not be ready to write yet
		const each = 255
		for first := uint32(0); first <= maxReported; first += each {
			report := &rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: 1e6}
			for ssrc := range uint32(each) {
				report.SSRCs = append(report.SSRCs, first+ssrc)
			}
			_ = v.client.WriteRTCP([]rtcp.Packet{report}) // fails once it is closed
		}
		select {
		case <-closed:
			return nil
		default:
			return errors.New("the connection is still there")
		}
	})
}
