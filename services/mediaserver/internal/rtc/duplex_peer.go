package rtc

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
)

// DuplexPeer is one connection with at most one audio and one video track each way, negotiated once: the WebRtcEndpoint
// of the Kurento Protocol. Its methods are called by one goroutine at a time.
type DuplexPeer struct {
	*peer
	media DuplexMedia

	mu     sync.Mutex                     // guards what Pion's goroutines look up
	fed    map[string]*webrtc.RTPReceiver // by kind: of the first m-line, whose tracks are its layers
	offer  *Description                   // of the remote side, nil: it answered
	closed bool
}

// DuplexMedia is what a [DuplexPeer] receives into and sends from, by kind, and what it negotiates.
type DuplexMedia struct {
	Sources map[string]*Source
	Sinks   map[string]*Sink
	Hub     *DataHub // nil: no data channels
	Sends   bool
	Receive bool
	RSA     bool // an RSA certificate instead of the process's ECDSA one
}

// NewDuplexPeer makes a connection that waits for its negotiation.
func (e *Engine) NewDuplexPeer(media DuplexMedia, h Handlers) (*DuplexPeer, error) {
	role := e.duplex
	if media.RSA {
		certificate, err := e.rsa()
		if err != nil {
			return nil, err
		}
		role.certificates = []webrtc.Certificate{*certificate}
	}
	base, err := e.newPeer(role, h)
	if err != nil {
		return nil, err
	}
	p := &DuplexPeer{peer: base, media: media, fed: map[string]*webrtc.RTPReceiver{}}
	p.pc.OnTrack(p.onTrack)
	if media.Hub != nil {
		p.pc.OnDataChannel(media.Hub.add)
	}
	return p, nil
}

// Answer answers an offer. The tracks that go out are put in before anything is known of what will feed them. A second
// offer restarts ICE and changes nothing else.
func (p *DuplexPeer) Answer(ctx context.Context, offer *Description) (string, error) {
	again := p.pc.RemoteDescription() != nil
	p.mu.Lock()
	p.offer = offer
	p.mu.Unlock()
	if err := p.setRemote(offer, webrtc.SDPTypeOffer); err != nil {
		return "", err
	}
	for kind, sink := range p.media.Sinks {
		if again {
			break
		}
		if err := p.answerKind(offer, kind, sink); err != nil {
			return "", err
		}
	}
	return p.setLocal(ctx, func() (webrtc.SessionDescription, error) { return p.pc.CreateAnswer(nil) })
}

// answerKind prepares the first m-line of a kind: the server's own order of codecs, so that endpoints that are
// connected later agree, and the outgoing track.
func (p *DuplexPeer) answerKind(offer *Description, kind string, sink *Sink) error {
	at := slices.IndexFunc(offer.Media, func(m Media) bool { return m.Kind == kind && !m.Rejected })
	if at < 0 {
		return nil
	}
	media := offer.Media[at]
	transceivers := p.pc.GetTransceivers()
	i := slices.IndexFunc(transceivers, func(t *webrtc.RTPTransceiver) bool { return t.Mid() == media.MID })
	if i < 0 {
		return nil
	}
	t := transceivers[i]
	if t.Receiver() != nil {
		if err := t.SetCodecPreferences(inServerOrder(kind, t.Receiver().GetParameters().Codecs)); err != nil {
			return fmt.Errorf("codecs of %s: %w", kind, err)
		}
	}
	if !media.Receives || !p.media.Sends {
		return nil
	}
	if _, err := p.pc.AddTrack(p.track(sink)); err != nil {
		return fmt.Errorf("add %s track: %w", kind, err)
	}
	return nil
}

// inServerOrder are the codecs of a list, best first, and what comes along with them.
func inServerOrder(kind string, codecs []webrtc.RTPCodecParameters) []webrtc.RTPCodecParameters {
	rank := func(c webrtc.RTPCodecParameters) int {
		if isCompanion(c.MimeType) {
			return len(codecsOf(kind))
		}
		return rankOf(kind, newCodec(c.RTPCodecCapability))
	}
	sorted := slices.DeleteFunc(slices.Clone(codecs), func(c webrtc.RTPCodecParameters) bool { return rank(c) < 0 })
	slices.SortStableFunc(sorted, func(a, b webrtc.RTPCodecParameters) int { return rank(a) - rank(b) })
	return sorted
}

// Offer makes an offer with an m-line for each of kinds.
func (p *DuplexPeer) Offer(ctx context.Context, kinds []string) (string, error) {
	direction := webrtc.RTPTransceiverDirectionSendrecv
	switch {
	case !p.media.Receive:
		direction = webrtc.RTPTransceiverDirectionSendonly
	case !p.media.Sends:
		direction = webrtc.RTPTransceiverDirectionRecvonly
	}
	for _, kind := range kinds {
		var err error
		init := webrtc.RTPTransceiverInit{Direction: direction}
		if p.media.Sends {
			_, err = p.pc.AddTransceiverFromTrack(p.track(p.media.Sinks[kind]), init)
		} else {
			_, err = p.pc.AddTransceiverFromKind(webrtc.NewRTPCodecType(kind), init)
		}
		if err != nil {
			return "", fmt.Errorf("offer %s: %w", kind, err)
		}
	}
	return p.setLocal(ctx, func() (webrtc.SessionDescription, error) { return p.pc.CreateOffer(nil) })
}

// Accept takes the answer to the offer, with errors as [SubscribePeer.Accept].
func (p *DuplexPeer) Accept(answer *Description) error {
	local := p.pc.PendingLocalDescription()
	if local == nil {
		return fmt.Errorf("%w: no offer is waiting", ErrSDP)
	}
	offer, err := ParseDescription(local.SDP)
	if err != nil {
		return err
	}
	if err := answer.fits(offer); err != nil {
		return err
	}
	return p.setRemote(answer, webrtc.SDPTypeAnswer)
}

func (p *DuplexPeer) onTrack(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	kind := track.Kind().String()
	p.mu.Lock()
	defer p.mu.Unlock()
	source := p.media.Sources[kind]
	if source == nil || p.closed || p.fed[kind] != nil && p.fed[kind] != receiver || !p.media.Receive {
		return
	}
	p.fed[kind] = receiver
	var layers []string
	if p.offer != nil {
		layers = p.offer.layers(receiver.RTPTransceiver().Mid())
	}
	p.read(source, track, receiver, layers, nil)
}

// ChannelOptions are those of createDataChannel.
type ChannelOptions struct {
	Label             string
	Ordered           bool
	MaxPacketLifeTime *uint16 // milliseconds; not together with MaxRetransmits
	MaxRetransmits    *uint16
	Protocol          string
}

// OpenChannel opens a data channel.
func (p *DuplexPeer) OpenChannel(o ChannelOptions) error {
	channel, err := p.pc.CreateDataChannel(o.Label, &webrtc.DataChannelInit{
		Ordered: &o.Ordered, MaxPacketLifeTime: o.MaxPacketLifeTime, MaxRetransmits: o.MaxRetransmits,
		Protocol: &o.Protocol,
	})
	if err != nil {
		return fmt.Errorf("open data channel: %w", err)
	}
	p.media.Hub.add(channel)
	return nil
}

// CloseChannel closes a data channel by its id.
func (p *DuplexPeer) CloseChannel(id int) error { return p.media.Hub.closeChannel(id) }

// Close ends the connection and returns when nothing runs for it any more.
func (p *DuplexPeer) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	for _, sink := range p.media.Sinks {
		sink.Attach(nil)
	}
	p.close()
	for _, sink := range p.media.Sinks {
		sink.reading.Wait()
	}
}

// KindsOf are the kinds of media of a peer that sends and receives tracks.
func KindsOf() []string { return []string{control.KindAudio, control.KindVideo} }
