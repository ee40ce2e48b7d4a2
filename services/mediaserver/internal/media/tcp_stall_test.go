package media_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

// A client over TCP that stops reading holds nobody else up.
func TestTCP_StalledClientHarmsNobody(t *testing.T) {
	t.Parallel()
	f := newFixtureOn(t, rtc.NetworkConfig{UDPAddress: "127.0.0.1:0", TCPAddress: "127.0.0.1:0", Loopback: true})
	p := f.pipeline(t)
	pub := newPublisher(t, p, "ann")
	video, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "v", "cam")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pub.pc.AddTrack(video); err != nil {
		t.Fatal(err)
	}
	stream := pub.publish().Streams[0].ID
	flood(t, video)

	overUDP := newSubscriber(t, f, p, "ben", control.Subscriptions{})
	overTCP := prepareSubscriber(t)
	overTCP.manual = true
	overTCP.adjust = func(s *webrtc.SettingEngine) { s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4}) }
	overTCP.attach(f, p, "cid", control.Subscriptions{})
	testkit.Eventually(t, func() error {
		if overTCP.offerCount() == 0 {
			return fmt.Errorf("no offer")
		}
		return nil
	})
	offer, stall := throughProxy(t, overTCP.lastOffer())
	if err := overTCP.answer(t.Context(), offer); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error { return overTCP.receives(stream, control.KindVideo, 100) })
	stall()
	testkit.Eventually(t, func() error { return overUDP.receives(stream, control.KindVideo, 1) })
	// More than all buffers on the way to the stalled client hold, and long before its connection counts as failed.
	before, began := overUDP.track(stream, control.KindVideo).count(), time.Now()
	testkit.Eventually(t, func() error { return overUDP.receives(stream, control.KindVideo, before+10_000) })
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("others were held up: %s for 10,000 packets", took)
	}
}

// flood sends about 50 Mbit/s until the test ends.
func flood(t *testing.T, track *webrtc.TrackLocalStaticRTP) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var sending sync.WaitGroup
	sending.Go(func() {
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		packet := &rtp.Packet{Header: rtp.Header{Version: 2}, Payload: make([]byte, 1100)}
		for ctx.Err() == nil {
			<-ticker.C
			packet.Timestamp += 90
			for range 6 {
				packet.SequenceNumber++
				_ = track.WriteRTP(packet)
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		sending.Wait()
	})
}

// throughProxy has the offer's only candidate be a proxy of its TCP one. stall has the proxy stop reading what the
// server sends.
func throughProxy(t *testing.T, offer media.OfferCreated) (proxied media.OfferCreated, stall func()) {
	t.Helper()
	candidate := regexp.MustCompile(`a=candidate:\S+ 1 tcp \d+ 127\.0\.0\.1 (\d+) typ host tcptype passive`)
	found := candidate.FindStringSubmatch(offer.SDP)
	if found == nil {
		t.Fatalf("no TCP candidate in\n%s", offer.SDP)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stalled := make(chan struct{})
	var copies sync.WaitGroup
	copies.Go(func() { proxy(listener, "127.0.0.1:"+found[1], stalled, &copies) })
	t.Cleanup(func() {
		_ = listener.Close()
		copies.Wait()
	})
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	here := strings.Replace(found[0], " "+found[1]+" typ", " "+port+" typ", 1)
	udp := regexp.MustCompile(`a=candidate:\S+ 1 udp .*\r\n`)
	offer.SDP = strings.ReplaceAll(udp.ReplaceAllString(offer.SDP, ""), found[0], here)
	return offer, sync.OnceFunc(func() { close(stalled) })
}

// proxy serves until the listener is closed.
func proxy(listener net.Listener, server string, stalled <-chan struct{}, copies *sync.WaitGroup) {
	var open []net.Conn
	defer func() {
		for _, conn := range open {
			_ = conn.Close()
		}
	}()
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		upstream, err := net.Dial("tcp", server)
		if err != nil {
			_ = client.Close()
			continue
		}
		open = append(open, client, upstream)
		_ = upstream.(*net.TCPConn).SetReadBuffer(16 << 10)
		copies.Go(func() { _, _ = io.Copy(upstream, client) })
		copies.Go(func() { copyUntil(stalled, client, upstream) })
	}
}

func copyUntil(stalled <-chan struct{}, to io.Writer, from io.Reader) {
	buffer := make([]byte, 4096)
	for {
		select {
		case <-stalled:
			return
		default:
		}
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}
