package media_test

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
)

// lossyConn loses every n-th RTP packet in one direction, first copies and later ones alike.
type lossyConn struct {
	net.PacketConn
	mux      *ice.UDPMuxDefault
	out, in  int64 // 0: none
	seen     atomic.Int64
	dropped  atomic.Int64
	silenced atomic.Bool // nothing goes either way any more
}

func isRTP(b []byte) bool {
	// RFC 7983 section 7, RFC 5761 section 4.
	return len(b) > 1 && b[0]&0xc0 == 0x80 && (b[1]&0x7f < 64 || b[1]&0x7f > 95)
}

func (c *lossyConn) loses(b []byte, nth int64) bool {
	if nth == 0 || !isRTP(b) || c.seen.Add(1)%nth != 0 {
		return false
	}
	c.dropped.Add(1)
	return true
}

func (c *lossyConn) WriteTo(b []byte, to net.Addr) (int, error) {
	if c.silenced.Load() || c.loses(b, c.out) {
		return len(b), nil
	}
	return c.PacketConn.WriteTo(b, to)
}

func (c *lossyConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.PacketConn.ReadFrom(b)
		if err != nil || !c.silenced.Load() && !c.loses(b[:n], c.in) {
			return n, from, err
		}
	}
}

// on makes a client use the socket.
func (c *lossyConn) on(tb testing.TB) func(*webrtc.SettingEngine) {
	tb.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	c.PacketConn = conn
	c.mux = ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: c})
	tb.Cleanup(func() { _ = c.mux.Close() })
	return func(s *webrtc.SettingEngine) {
		s.SetICEUDPMux(c.mux)
		s.SetSRTPReplayProtectionWindow(1024) // as browsers have it
	}
}

// complete says what is missing, or came twice, among the first n packets of a track.
func (r *received) complete(n int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.sequences) == 0 {
		return errors.New("nothing came")
	}
	first := r.sequences[0]
	count := make([]int, n)
	for _, sequence := range r.sequences {
		if at := int(sequence - first); at < n {
			count[at]++
		}
	}
	for at, times := range count {
		if times != 1 {
			return fmt.Errorf("packet %d of %d came %d times", at, n, times)
		}
	}
	return nil
}

func TestLoss_OnTheWayIn_IsRepaired(t *testing.T) {
	for name, rtx := range map[string]bool{"with RTX": true, "without RTX": false} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			p := f.pipeline(t)
			conn := &lossyConn{out: 7}
			pub := newPublisher(t, p, "ann")
			pub.pc = newClientPCWith(t, false, conn.on(t))
			pub.track(webrtc.MimeTypeVP8, "cam")
			if !rtx {
				withoutRTX(t, pub.pc)
			}
			id := pub.publish().Streams[0].ID
			sub := prepareSubscriber(t)
			sub.lossless = true // asks for nothing, and shows repetitions
			sub.attach(f, p, "ben", control.Subscriptions{})
			testkit.Eventually(t, func() error { return sub.receives(id, "video", 600) })
			r := sub.track(id, "video")
			testkit.Eventually(t, func() error { return r.complete(500) })
			if conn.dropped.Load() < 50 {
				t.Errorf("only %d packets were dropped", conn.dropped.Load())
			}
		})
	}
}

func withoutRTX(tb testing.TB, pc *webrtc.PeerConnection) {
	tb.Helper()
	transceiver := pc.GetTransceivers()[0]
	codecs := slices.DeleteFunc(transceiver.Sender().GetParameters().Codecs, func(c webrtc.RTPCodecParameters) bool {
		return c.MimeType == webrtc.MimeTypeRTX
	})
	if err := transceiver.SetCodecPreferences(codecs); err != nil {
		tb.Fatal(err)
	}
}

// Without RTX each packet comes once; Pion's client does not see that one came by RTX, and asks for it again.
func TestLoss_OnTheWayOut_IsRepaired(t *testing.T) {
	for name, c := range map[string]struct {
		register func(*webrtc.MediaEngine) error
		missing  func(*received, int) error
	}{
		"with RTX":    {(*webrtc.MediaEngine).RegisterDefaultCodecs, (*received).gaps},
		"without RTX": {onlyVP8, (*received).complete},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			p := f.pipeline(t)
			pub := newPublisher(t, p, "ann")
			pub.track(webrtc.MimeTypeVP8, "cam")
			id := pub.publish().Streams[0].ID
			conn := &lossyConn{in: 7}
			sub := prepareSubscriber(t)
			sub.adjust = conn.on(t)
			sub.decodes = c.register
			sub.attach(f, p, "ben", control.Subscriptions{})
			testkit.Eventually(t, func() error { return sub.receives(id, "video", 600) })
			r := sub.track(id, "video")
			testkit.Eventually(t, func() error { return c.missing(r, 500) })
			if conn.dropped.Load() < 50 {
				t.Errorf("only %d packets were dropped", conn.dropped.Load())
			}
		})
	}
}

// onlyVP8 registers VP8 without RTX.
func onlyVP8(engine *webrtc.MediaEngine) error {
	return engine.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90_000},
		PayloadType:        96,
	}, webrtc.RTPCodecTypeVideo)
}

// gaps says what is missing among the first n packets of a track.
func (r *received) gaps(n int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.sequences) == 0 {
		return errors.New("nothing came")
	}
	there := map[uint16]bool{}
	for _, sequence := range r.sequences {
		there[sequence-r.sequences[0]] = true
	}
	for at := range n {
		if !there[uint16(at)] {
			return fmt.Errorf("packet %d of %d is missing", at, n)
		}
	}
	return nil
}
