package media_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

// fixture is a media server on loopback and the events of each object.
type fixture struct {
	*media.Server

	mu        sync.Mutex
	listeners map[string]func(media.Event) // by object id
	backlog   map[string][]media.Event     // of objects that nobody listens to yet
}

func newFixture(tb testing.TB) *fixture {
	tb.Helper()
	return newFixtureOn(tb, rtc.NetworkConfig{
		UDPAddress: "127.0.0.1:0", Loopback: true, Disconnected: time.Second, Failed: 2 * time.Second,
	})
}

func newFixtureOn(tb testing.TB, network rtc.NetworkConfig) *fixture {
	tb.Helper()
	server, err := media.NewServer(media.Config{Network: network}, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	f := &fixture{Server: server, listeners: map[string]func(media.Event){}, backlog: map[string][]media.Event{}}
	server.OnEvent(f.event)
	tb.Cleanup(func() {
		if err := server.Close(); err != nil {
			tb.Error(err)
		}
	})
	return f
}

func (f *fixture) event(e media.Event) {
	f.mu.Lock()
	listener := f.listeners[e.Object.ID()]
	if listener == nil {
		f.backlog[e.Object.ID()] = append(f.backlog[e.Object.ID()], e)
	}
	f.mu.Unlock()
	if listener != nil {
		listener(e)
	}
}

// listen gives every event of an object, from its first on, to listener.
func (f *fixture) listen(object media.Object, listener func(media.Event)) {
	f.mu.Lock()
	backlog := f.backlog[object.ID()]
	f.listeners[object.ID()] = listener
	f.mu.Unlock()
	for _, e := range backlog {
		listener(e)
	}
}

func (f *fixture) pipeline(tb testing.TB) *media.Pipeline {
	tb.Helper()
	p, err := f.CreatePipeline(control.SessionID(control.NewID()), 1)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func newClientPC(tb testing.TB, lossless bool) *webrtc.PeerConnection {
	tb.Helper()
	return newClientPCWith(tb, lossless, func(*webrtc.SettingEngine) {})
}

func newClientPCWith(tb testing.TB, lossless bool, adjust func(*webrtc.SettingEngine)) *webrtc.PeerConnection {
	tb.Helper()
	return newClientPCOf(tb, (*webrtc.MediaEngine).RegisterDefaultCodecs, lossless, adjust)
}

func newClientPCOf(
	tb testing.TB, register func(*webrtc.MediaEngine) error, lossless bool, adjust func(*webrtc.SettingEngine),
) *webrtc.PeerConnection {
	tb.Helper()
	engine := &webrtc.MediaEngine{}
	if err := register(engine); err != nil {
		tb.Fatal(err)
	}
	registry := &interceptor.Registry{}
	if !lossless {
		if err := webrtc.RegisterDefaultInterceptors(engine, registry); err != nil {
			tb.Fatal(err)
		}
	}
	s := webrtc.SettingEngine{}
	s.SetIncludeLoopbackCandidate(true)
	s.SetIPFilter(nil)
	s.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.DisableSRTPReplayProtection(lossless) // shows repetitions
	s.SetHostAcceptanceMinWait(0)
	s.SetPrflxAcceptanceMinWait(0)
	adjust(&s)
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(registry),
		webrtc.WithSettingEngine(s)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = pc.GracefulClose() })
	return pc
}

func gather(tb testing.TB, pc *webrtc.PeerConnection, d webrtc.SessionDescription) string {
	tb.Helper()
	done := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(d); err != nil {
		tb.Fatal(err)
	}
	<-done
	return pc.LocalDescription().SDP
}

// publisher is a client's publish connection.
type publisher struct {
	tb       testing.TB
	endpoint *media.PublishEndpoint
	pc       *webrtc.PeerConnection
	seq      int64
	plis     atomic.Int64
	last     mediaapi.ProcessedOffer
}

func newPublisher(tb testing.TB, p *media.Pipeline, user control.UserID) *publisher {
	tb.Helper()
	endpoint, err := p.NewPublishEndpoint(user, "join")
	if err != nil {
		tb.Fatal(err)
	}
	return &publisher{tb: tb, endpoint: endpoint, pc: newClientPC(tb, false)}
}

// track adds a track and sends a packet on it every few milliseconds until the test ends.
func (p *publisher) track(mime, msid string) (*webrtc.RTPSender, *sendTrack) {
	p.tb.Helper()
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime}, msid+"-"+mime[6:], msid)
	if err != nil {
		p.tb.Fatal(err)
	}
	sender, err := p.pc.AddTrack(track)
	if err != nil {
		p.tb.Fatal(err)
	}
	p.countPLI(sender)
	return sender, startSending(p.tb, track)
}

func (p *publisher) countPLI(sender *webrtc.RTPSender) {
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			packets, _, err := sender.ReadRTCP()
			if err != nil {
				return
			}
			for _, packet := range packets {
				if _, ok := packet.(*rtcp.PictureLossIndication); ok {
					p.plis.Add(1)
				}
			}
		}
	})
	p.tb.Cleanup(func() {
		_ = p.pc.Close()
		wg.Wait()
	})
}

type sendTrack struct {
	stop   func()
	paused atomic.Bool
}

func startSending(tb testing.TB, track *webrtc.TrackLocalStaticRTP) *sendTrack {
	tb.Helper()
	return startSendingWith(tb, track, nil)
}

func startSendingWith(tb testing.TB, track *webrtc.TrackLocalStaticRTP, extensions map[uint8]string) *sendTrack {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &sendTrack{}
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(4 * time.Millisecond)
		defer ticker.Stop()
		packet := &rtp.Packet{Header: rtp.Header{Version: 2}, Payload: make([]byte, 100)}
		for id, value := range extensions {
			if err := packet.SetExtension(id, []byte(value)); err != nil {
				tb.Error(err)
			}
		}
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if s.paused.Load() {
				continue
			}
			packet.SequenceNumber++
			packet.Timestamp += 360
			packet.Payload[0] = byte(packet.SequenceNumber)
			_ = track.WriteRTP(packet)
		}
	})
	s.stop = func() {
		cancel()
		wg.Wait()
	}
	tb.Cleanup(s.stop)
	return s
}

func (p *publisher) offer() string {
	p.tb.Helper()
	offer, err := p.pc.CreateOffer(nil)
	if err != nil {
		p.tb.Fatal(err)
	}
	return gather(p.tb, p.pc, offer)
}

// publish negotiates what has changed.
func (p *publisher) publish() mediaapi.ProcessedOffer {
	p.tb.Helper()
	p.seq++
	result, err := p.endpoint.ProcessOffer(p.tb.Context(), p.offer(), p.seq)
	if err != nil {
		p.tb.Fatal(err)
	}
	err = p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: result.Answer})
	if err != nil {
		p.tb.Fatal(err)
	}
	p.last = result
	return result
}

// subscriber is a client's subscribe connection, which answers every offer by itself.
type subscriber struct {
	tb       testing.TB
	endpoint *media.SubscribeEndpoint
	manual   bool // offers are only recorded

	mu       sync.Mutex
	pc       *webrtc.PeerConnection
	offers   []media.OfferCreated
	states   []media.EndpointStateChanged
	received map[string]*received // by stream id and kind
	channels map[string][]string  // messages by stream id and label
	fresh    bool                 // the next offer is of a new connection
	wg       sync.WaitGroup
	lossless bool
	adjust   func(*webrtc.SettingEngine) // nil: nothing
	decodes  func(*webrtc.MediaEngine) error
	answers  chan media.OfferCreated
	watch    func(*rtp.Packet) // nil: nobody does
}

type received struct {
	mu        sync.Mutex
	ssrc      webrtc.SSRC
	mime      string
	sequences []uint16
	times     []uint32
}

func (r *received) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sequences)
}

func newSubscriber(tb testing.TB, f *fixture, p *media.Pipeline, user control.UserID, list control.Subscriptions) *subscriber {
	tb.Helper()
	s := prepareSubscriber(tb)
	s.attach(f, p, user, list)
	return s
}

func prepareSubscriber(tb testing.TB) *subscriber {
	tb.Helper()
	s := &subscriber{
		tb: tb, received: map[string]*received{}, channels: map[string][]string{},
		answers: make(chan media.OfferCreated, 1000), // more than any test makes
		decodes: (*webrtc.MediaEngine).RegisterDefaultCodecs,
	}
	return s
}

func (s *subscriber) attach(f *fixture, p *media.Pipeline, user control.UserID, list control.Subscriptions) {
	s.tb.Helper()
	endpoint, err := p.NewSubscribeEndpoint(user, "join", list)
	if err != nil {
		s.tb.Fatal(err)
	}
	s.endpoint = endpoint
	s.newPC()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.answerAll(ctx) })
	s.tb.Cleanup(func() {
		cancel()
		wg.Wait()
		s.mu.Lock()
		_ = s.pc.Close()
		s.mu.Unlock()
		s.wg.Wait()
	})
	f.listen(endpoint, func(e media.Event) {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch data := e.Data.(type) {
		case media.OfferCreated:
			s.offers = append(s.offers, data)
			s.answers <- data
		case media.EndpointStateChanged:
			s.states = append(s.states, data)
		}
	})
}

func (s *subscriber) newPC() {
	adjust := s.adjust
	if adjust == nil {
		adjust = func(*webrtc.SettingEngine) {}
	}
	pc := newClientPCOf(s.tb, s.decodes, s.lossless, adjust)
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { s.read(track) })
	pc.OnDataChannel(func(d *webrtc.DataChannel) {
		d.OnMessage(func(m webrtc.DataChannelMessage) {
			s.mu.Lock()
			defer s.mu.Unlock()
			key := d.Protocol() + "/" + d.Label()
			s.channels[key] = append(s.channels[key], string(m.Data))
		})
	})
	s.mu.Lock()
	s.pc = pc
	s.mu.Unlock()
}

func (s *subscriber) read(track *webrtc.TrackRemote) {
	r := &received{ssrc: track.SSRC(), mime: track.Codec().MimeType}
	key := track.StreamID() + "/" + track.Kind().String()
	s.mu.Lock()
	s.received[key] = r
	s.mu.Unlock()
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		if s.watch != nil {
			s.watch(packet)
		}
		r.mu.Lock()
		r.sequences = append(r.sequences, packet.SequenceNumber)
		r.times = append(r.times, packet.Timestamp)
		r.mu.Unlock()
	}
}

func (s *subscriber) answerAll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case offer := <-s.answers:
			s.mu.Lock()
			manual := s.manual
			s.mu.Unlock()
			if manual {
				continue
			}
			if err := s.answer(ctx, offer); err != nil && ctx.Err() == nil {
				s.tb.Errorf("answer offer %d: %v", offer.Seq, err)
			}
		}
	}
}

func (s *subscriber) answer(ctx context.Context, offer media.OfferCreated) error {
	s.mu.Lock()
	if s.fresh {
		s.fresh = false
		s.mu.Unlock()
		s.newPC()
		s.mu.Lock()
	}
	pc := s.pc
	s.mu.Unlock()
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer.SDP}); err != nil {
		return err
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		return err
	}
	return s.endpoint.ProcessAnswer(ctx, gather(s.tb, pc, answer), offer.Seq)
}

func (s *subscriber) track(id control.StreamID, kind string) *received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received[string(id)+"/"+kind]
}

// receives says why fewer than n packets of a track have come, nil when they have.
func (s *subscriber) receives(id control.StreamID, kind string, n int) error {
	r := s.track(id, kind)
	if r == nil {
		return fmt.Errorf("%s of %s: no track", kind, id)
	}
	if got := r.count(); got < n {
		return fmt.Errorf("%s of %s: %d packets, want %d", kind, id, got, n)
	}
	return nil
}

func (s *subscriber) offerCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.offers)
}

func (s *subscriber) lastOffer() media.OfferCreated {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.offers[len(s.offers)-1]
}
