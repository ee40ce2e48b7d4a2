package media_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaapi"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

// kurentoClient is an application that uses one WebRtcEndpoint.
type kurentoClient struct {
	tb       testing.TB
	endpoint *media.WebRTCEndpoint
	pc       *webrtc.PeerConnection

	mu     sync.Mutex
	events map[string][]media.Event
	video  *received
	audio  *received
	early  []webrtc.ICECandidateInit
	remote bool
}

func newKurentoClient(tb testing.TB, f *fixture, p *media.Pipeline, params media.WebRTCEndpointParams) *kurentoClient {
	tb.Helper()
	endpoint, err := p.NewWebRTCEndpoint(params)
	if err != nil {
		tb.Fatal(err)
	}
	c := &kurentoClient{tb: tb, endpoint: endpoint, pc: newClientPC(tb, false), events: map[string][]media.Event{}}
	c.pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		r := &received{ssrc: track.SSRC()}
		c.mu.Lock()
		if track.Kind() == webrtc.RTPCodecTypeVideo {
			c.video = r
		} else {
			c.audio = r
		}
		c.mu.Unlock()
		for {
			packet, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			r.mu.Lock()
			r.sequences = append(r.sequences, packet.SequenceNumber)
			r.times = append(r.times, packet.Timestamp)
			r.mu.Unlock()
		}
	})
	f.listen(endpoint, c.event)
	return c
}

func (c *kurentoClient) event(e media.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events[e.Type] = append(c.events[e.Type], e)
	if found, ok := e.Data.(media.CandidateFound); ok {
		index := uint16(found.Candidate.SDPMLineIndex)
		c.early = append(c.early, webrtc.ICECandidateInit{
			Candidate: found.Candidate.Candidate, SDPMid: &found.Candidate.SDPMid, SDPMLineIndex: &index,
		})
	}
	if c.remote {
		c.addEarlyLocked()
	}
}

func (c *kurentoClient) addEarlyLocked() {
	for _, candidate := range c.early {
		if err := c.pc.AddICECandidate(candidate); err != nil {
			c.tb.Errorf("candidate %+v: %v", candidate, err)
		}
	}
	c.early = nil
}

func (c *kurentoClient) seen(eventType string) []media.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.events[eventType]
}

func (c *kurentoClient) sends(mime string) {
	c.tb.Helper()
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime}, mime[6:], "own")
	if err != nil {
		c.tb.Fatal(err)
	}
	if _, err := c.pc.AddTrack(track); err != nil {
		c.tb.Fatal(err)
	}
	startSending(c.tb, track)
}

func (c *kurentoClient) receivesOnly(kinds ...webrtc.RTPCodecType) {
	c.tb.Helper()
	for _, kind := range kinds {
		_, err := c.pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{
			Direction: webrtc.RTPTransceiverDirectionRecvonly,
		})
		if err != nil {
			c.tb.Fatal(err)
		}
	}
}

// negotiate does as the tutorials: processOffer, then gatherCandidates at once.
func (c *kurentoClient) negotiate() string {
	c.tb.Helper()
	offer, err := c.pc.CreateOffer(nil)
	if err != nil {
		c.tb.Fatal(err)
	}
	answer, err := c.endpoint.ProcessOffer(c.tb.Context(), gather(c.tb, c.pc, offer))
	if err != nil {
		c.tb.Fatal(err)
	}
	if strings.Contains(answer, "a=candidate") {
		c.tb.Error("the answer has candidates")
	}
	if got := c.seen(media.EventIceCandidateFound); len(got) > 0 {
		c.tb.Error("candidates were sent before gatherCandidates")
	}
	if err := c.endpoint.GatherCandidates(c.tb.Context()); err != nil {
		c.tb.Fatal(err)
	}
	c.accept(answer)
	return answer
}

func (c *kurentoClient) accept(answer string) {
	c.tb.Helper()
	err := c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer})
	if err != nil {
		c.tb.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remote = true
	c.addEarlyLocked()
}

func (c *kurentoClient) has(n int) error {
	c.mu.Lock()
	audio, video := c.audio, c.video
	c.mu.Unlock()
	for kind, r := range map[string]*received{"audio": audio, "video": video} {
		if r == nil {
			return fmt.Errorf("no %s", kind)
		}
		if got := r.count(); got < n {
			return fmt.Errorf("%d packets of %s, want %d", got, kind, n)
		}
	}
	return nil
}

func (c *kurentoClient) raised(eventType string) error {
	if len(c.seen(eventType)) == 0 {
		return fmt.Errorf("no %s", eventType)
	}
	return nil
}

func TestWebRTCEndpoint_Loopback(t *testing.T) {
	f := newFixture(t)
	c := newKurentoClient(t, f, f.pipeline(t), media.WebRTCEndpointParams{})
	c.sends(webrtc.MimeTypeOpus)
	c.sends(webrtc.MimeTypeVP8)
	if err := c.endpoint.Connect(c.endpoint); err != nil {
		t.Fatal(err)
	}
	answer := c.negotiate()
	if got := strings.Count(answer, "a=sendrecv"); got != 2 {
		t.Errorf("%d sendrecv m-lines in the answer", got)
	}
	testkit.Eventually(t, func() error {
		return errors.Join(c.has(20), c.raised(media.EventIceGatheringDone), c.raised(media.EventMediaStateChanged),
			c.raised(media.EventConnectionStateChanged), c.raised(media.EventNewCandidatePairSelected),
			c.raised(media.EventIceComponentStateChanged), c.raised(media.EventDtlsConnectionStateChange),
			c.raised(media.EventMediaSessionStarted), c.raised(media.EventMediaFlowInStateChanged),
			c.raised(media.EventMediaFlowOutStateChanged))
	})
	if got := len(c.endpoint.SinkConnections()); got != 3 {
		t.Errorf("%d connections, want audio, video and data", got)
	}
	stats := c.endpoint.Stats()
	if len(stats) != 4 {
		t.Errorf("statistics of %d streams, want two each way", len(stats))
	}
	for _, s := range stats {
		if s.SSRC == 0 || s.Packets < 20 || s.Bytes < 20*100 {
			t.Errorf("statistics %+v", s)
		}
	}
	for _, pair := range c.endpoint.CandidatePairs() {
		for _, text := range []string{pair.LocalCandidate, pair.RemoteCandidate} {
			if strings.Count(text, "candidate:") != 1 {
				t.Errorf("candidate %q", text)
			}
		}
	}
	var refused *media.Error
	if _, err := c.endpoint.ProcessOffer(t.Context(), answer); !errors.As(err, &refused) || refused.Code != 40208 {
		t.Errorf("second offer: %v", err)
	}
}

func TestWebRTCEndpoint_AnswerBeforeConnect(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	presenter := newKurentoClient(t, f, p, media.WebRTCEndpointParams{})
	presenter.sends(webrtc.MimeTypeOpus)
	presenter.sends(webrtc.MimeTypeVP8)
	presenter.negotiate()
	viewer := newKurentoClient(t, f, p, media.WebRTCEndpointParams{})
	viewer.receivesOnly(webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo)
	if answer := viewer.negotiate(); strings.Count(answer, "a=sendonly") != 2 {
		t.Errorf("the answer to recvonly is not sendonly:\n%s", answer)
	}
	testkit.Eventually(t, func() error {
		if viewer.endpoint.ConnectionState() != "CONNECTED" {
			return errors.New("not connected")
		}
		return nil
	})
	if err := presenter.endpoint.Connect(viewer.endpoint); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error { return viewer.has(20) })

	// Another source takes the place of the first, and the stream goes on.
	second := newKurentoClient(t, f, p, media.WebRTCEndpointParams{})
	second.sends(webrtc.MimeTypeOpus)
	second.sends(webrtc.MimeTypeVP8)
	second.negotiate()
	if err := second.endpoint.Connect(viewer.endpoint, media.Video); err != nil {
		t.Fatal(err)
	}
	if got := presenter.endpoint.SinkConnections(media.Video); len(got) != 0 {
		t.Errorf("the first source is still connected: %v", got)
	}
	count := viewer.video.count()
	testkit.Eventually(t, func() error { return viewer.has(count + 30) })
	assertContinuous(t, viewer.video)
	if err := second.endpoint.Disconnect(viewer.endpoint); err != nil {
		t.Fatal(err)
	}
	f.Release(presenter.endpoint.ID())
	if got := viewer.endpoint.SourceConnections(); len(got) != 0 {
		t.Errorf("connections after release: %v", got)
	}
}

func TestWebRTCEndpoint_GeneratesOffer(t *testing.T) {
	f := newFixture(t)
	c := newKurentoClient(t, f, f.pipeline(t), media.WebRTCEndpointParams{})
	var refused *media.Error
	if _, err := c.endpoint.ProcessAnswer(t.Context(), "x"); !errors.As(err, &refused) ||
		refused.Code != mediaapi.CodeNotOfferGenerated {
		t.Errorf("answer before offer: %v", err)
	}
	offer, err := c.endpoint.GenerateOffer(t.Context(), true, true)
	if err != nil {
		t.Fatal(err)
	}
	c.sends(webrtc.MimeTypeOpus)
	c.sends(webrtc.MimeTypeVP8)
	if err := c.endpoint.Connect(c.endpoint); err != nil {
		t.Fatal(err)
	}
	err = c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer})
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	c.remote = true
	c.mu.Unlock()
	answer, err := c.pc.CreateAnswer(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.endpoint.GatherCandidates(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.endpoint.ProcessAnswer(t.Context(), gather(t, c.pc, answer)); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error { return c.has(20) })
	if _, err := c.endpoint.ProcessAnswer(t.Context(), "x"); !errors.As(err, &refused) || refused.Code != 40210 {
		t.Errorf("second answer: %v", err)
	}
}

func TestWebRTCEndpoint_BadOfferIsNotTheEnd(t *testing.T) {
	f := newFixture(t)
	c := newKurentoClient(t, f, f.pipeline(t), media.WebRTCEndpointParams{})
	var refused *media.Error
	if _, err := c.endpoint.ProcessOffer(t.Context(), ""); !errors.As(err, &refused) ||
		refused.Code != mediaapi.CodeSDPParse {
		t.Errorf("empty offer: %v", err)
	}
	if _, err := c.endpoint.LocalDescription(); !errors.As(err, &refused) || refused.Code != 40202 {
		t.Errorf("local description: %v", err)
	}
	if err := c.endpoint.AddICECandidate(t.Context(), control.Candidate{
		Candidate: "candidate:1 1 udp 2122260223 0b4c0d0c-6d0e-4a5b-9c11-6f7d1a3a7f10.local 54321 typ host",
	}); err != nil {
		t.Errorf("candidate with an mDNS name: %v", err)
	}
	c.receivesOnly(webrtc.RTPCodecTypeVideo)
	c.negotiate()
}

func TestWebRTCEndpoint_DataChannels(t *testing.T) {
	f := newFixture(t)
	p := f.pipeline(t)
	c := newKurentoClient(t, f, p, media.WebRTCEndpointParams{UseDataChannels: true})
	without := newKurentoClient(t, f, p, media.WebRTCEndpointParams{})
	var refused *media.Error
	err := without.endpoint.CreateDataChannel(t.Context(), rtc.ChannelOptions{Label: "x"})
	if !errors.As(err, &refused) || refused.Code != 40111 {
		t.Errorf("without data channels: %v", err)
	}
	if err := c.endpoint.Connect(c.endpoint, media.Data); err != nil {
		t.Fatal(err)
	}
	channel, err := c.pc.CreateDataChannel("chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	echoed := make(chan string, 1)
	channel.OnMessage(func(m webrtc.DataChannelMessage) { echoed <- string(m.Data) })
	channel.OnOpen(func() { _ = channel.SendText("hello") })
	c.negotiate()
	if got := <-echoed; got != "hello" {
		t.Errorf("echo = %q", got)
	}
	testkit.Eventually(t, func() error { return c.raised(media.EventDataChannelOpened) })
}
