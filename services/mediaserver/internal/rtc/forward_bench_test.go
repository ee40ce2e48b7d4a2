package rtc

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
)

// discard takes what a sink writes.
type discard struct{}

func (discard) WriteRTP(_ *rtp.Header, payload []byte) (int, error) { return len(payload), nil }

func benchmarkForward(b *testing.B, source *Source, sinks int) {
	b.Helper()
	f := source.OpenFeed(FeedConfig{Codec: source.Codec()})
	in, err := (&rtp.Packet{Header: rtp.Header{Version: 2, SSRC: 1}, Payload: make([]byte, 1100)}).Marshal()
	if err != nil {
		b.Fatal(err)
	}
	number := uint16(0)
	b.ReportAllocs()
	for b.Loop() {
		number++
		binary.BigEndian.PutUint16(in[2:], number)
		binary.BigEndian.PutUint32(in[4:], uint32(number/6)*3000)
		f.Write(in, time.Now())
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*sinks), "us/copy")
}

// BenchmarkForward is our own part of forwarding: numbers, store and headers, without encryption and socket.
func BenchmarkForward(b *testing.B) {
	for _, n := range []int{1, 10, 50} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			source := newTestEngine(b).NewSource(control.KindVideo)
			defer source.Close()
			vp8 := Codec{MIME: webrtc.MimeTypeVP8, ClockRate: 90_000}
			source.setCodec(vp8)
			for range n {
				sink := NewSink(control.KindVideo, "stream", "track")
				sink.Bind(Output{Codec: vp8, Writer: discard{}})
				sink.Attach(source)
			}
			benchmarkForward(b, source, n)
		})
	}
}

// BenchmarkForwardLoopback sends to real connections on loopback, encrypted; the receivers share the machine.
func BenchmarkForwardLoopback(b *testing.B) {
	for _, n := range []int{10, 50} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			engine := newTestEngine(b)
			source := engine.NewSource(control.KindVideo)
			defer source.Close()
			source.setCodec(Codec{MIME: webrtc.MimeTypeVP8, ClockRate: 90_000})
			for range n {
				connectReceiver(b, engine, source)
			}
			benchmarkForward(b, source, n)
		})
	}
}

func connectReceiver(tb testing.TB, engine *Engine, source *Source) *SubscribePeer {
	tb.Helper()
	up := make(chan struct{})
	server, err := engine.NewSubscribePeer(Handlers{State: func(s control.ConnectionState) {
		if s == control.ConnectionConnected {
			close(up)
		}
	}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(server.Close)
	if _, err := server.SetTracks([]Track{{Stream: "stream", Source: source}}); err != nil {
		tb.Fatal(err)
	}
	offer, err := server.Offer(tb.Context(), false)
	if err != nil {
		tb.Fatal(err)
	}
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	client, err := webrtc.NewAPI(webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = client.Close() })
	if err := client.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		tb.Fatal(err)
	}
	answer, err := client.CreateAnswer(nil)
	if err != nil {
		tb.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(client)
	if err := client.SetLocalDescription(answer); err != nil {
		tb.Fatal(err)
	}
	<-gathered
	d, err := ParseDescription(client.LocalDescription().SDP)
	if err != nil {
		tb.Fatal(err)
	}
	if err := server.Accept(d); err != nil {
		tb.Fatal(err)
	}
	<-up
	return server
}
