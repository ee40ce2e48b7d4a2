package rtc

import (
	"sync"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
)

// viewer is a client of a [SubscribePeer] that keeps what it receives.
type viewer struct {
	tb     testing.TB
	server *SubscribePeer
	client *webrtc.PeerConnection
	up     chan struct{}
	// answers changes the client's answer before the server gets it; nil: not at all.
	answers func(string) string

	mu       sync.Mutex
	received map[string][]arrival // by stream
}

// arrival is one packet as a client gets it.
type arrival struct {
	rtp.Packet
	again bool // by RTX
	mime  string
}

// newViewer connects to engine; register chooses what the client decodes.
func newViewer(tb testing.TB, engine *Engine, register func(*webrtc.MediaEngine) error) *viewer {
	tb.Helper()
	v := &viewer{tb: tb, received: map[string][]arrival{}, up: make(chan struct{})}
	server, err := engine.NewSubscribePeer(Handlers{State: func(s control.ConnectionState) {
		if s == control.ConnectionConnected {
			close(v.up)
		}
	}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(server.Close)
	client := newClient(tb, register)
	client.OnTrack(v.read)
	v.server, v.client = server, client
	return v
}

// newClient is a client that decodes what register says.
func newClient(tb testing.TB, register func(*webrtc.MediaEngine) error) *webrtc.PeerConnection {
	tb.Helper()
	media := &webrtc.MediaEngine{}
	if err := register(media); err != nil {
		tb.Fatal(err)
	}
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetHostAcceptanceMinWait(0)
	settings.DisableSRTPReplayProtection(true) // shows repetitions
	api := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithSettingEngine(settings))
	client, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = client.GracefulClose() })
	return client
}

func (v *viewer) read(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
	for {
		p, attributes, err := track.ReadRTP()
		if err != nil {
			return
		}
		a := arrival{Packet: *p, again: attributes.Get(webrtc.AttributeRtxSsrc) != nil, mime: track.Codec().MimeType}
		v.mu.Lock()
		v.received[track.StreamID()] = append(v.received[track.StreamID()], a)
		v.mu.Unlock()
	}
}

// watch has the server send the tracks, in as many offers as it takes.
func (v *viewer) watch(tracks ...Track) {
	v.tb.Helper()
	for change := NeedsTwoOffers; change == NeedsTwoOffers; {
		var err error
		if change, err = v.server.SetTracks(tracks); err != nil {
			v.tb.Fatal(err)
		}
		if change > Unchanged {
			v.negotiate()
		}
	}
	select {
	case <-v.up:
	case <-time.After(10 * time.Second):
		v.tb.Fatal("not connected")
	}
}

func (v *viewer) negotiate() {
	v.tb.Helper()
	offer, err := v.server.Offer(v.tb.Context(), false)
	if err != nil {
		v.tb.Fatal(err)
	}
	if err := v.client.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		v.tb.Fatal(err)
	}
	answer, err := v.client.CreateAnswer(nil)
	if err != nil {
		v.tb.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(v.client)
	if err := v.client.SetLocalDescription(answer); err != nil {
		v.tb.Fatal(err)
	}
	<-gathered
	text := v.client.LocalDescription().SDP
	if v.answers != nil {
		text = v.answers(text)
	}
	d, err := ParseDescription(text)
	if err != nil {
		v.tb.Fatal(err)
	}
	if err := v.server.Accept(d); err != nil {
		v.tb.Fatal(err)
	}
}

// of is what came of a stream so far.
func (v *viewer) of(stream control.StreamID) []arrival {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.received[string(stream)]
}

// stream is a source with a sender that writes when it is told to.
type stream struct {
	*Source
	feed   *Feed
	number uint16
}

func newStream(tb testing.TB, engine *Engine, kind string, c Codec) *stream {
	tb.Helper()
	source := engine.NewSource(kind)
	tb.Cleanup(source.Close)
	return &stream{Source: source, feed: source.OpenFeed(FeedConfig{Codec: c})}
}

// send writes the next packets; each has its number in the payload.
func (s *stream) send(tb testing.TB, packets int) {
	tb.Helper()
	for range packets {
		s.number++
		p := rtp.Packet{
			Header: rtp.Header{
				Version: 2, PayloadType: 100, SSRC: 5, SequenceNumber: s.number, Timestamp: uint32(s.number) * 3000, Marker: true,
			},
			Payload: []byte{0x10, 0x00, byte(s.number >> 8), byte(s.number)}, // a VP8 keyframe, as far as it goes
		}
		raw, err := p.Marshal()
		if err != nil {
			tb.Fatal(err)
		}
		s.feed.Write(raw, time.Now())
	}
}

// sendUntil writes packets until check is content: a connection takes its first ones a moment after it is up.
func (s *stream) sendUntil(tb testing.TB, check func() error) {
	tb.Helper()
	testkit.Eventually(tb, func() error {
		s.send(tb, 5)
		return check()
	})
}

func vp8() Codec  { return Codec{MIME: webrtc.MimeTypeVP8, ClockRate: 90_000} }
func opus() Codec { return Codec{MIME: webrtc.MimeTypeOpus, ClockRate: 48_000, Channels: 2} }
