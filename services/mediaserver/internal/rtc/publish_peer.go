package rtc

import (
	"context"
	"errors"
	"sync"

	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
)

// PublishPeer receives what a client publishes: the client offers, any number of tracks, again and again. Its methods
// are called by one goroutine at a time.
type PublishPeer struct {
	*peer
	handlers Handlers

	mu      sync.Mutex // guards what Pion's goroutines look up
	sources map[string]*Source
	data    *DataSource
	offer   *Description
	closed  bool
}

// NewPublishPeer makes a connection that waits for its first offer.
func (e *Engine) NewPublishPeer(h Handlers) (*PublishPeer, error) {
	base, err := e.newPeer(e.publish, h)
	if err != nil {
		return nil, err
	}
	p := &PublishPeer{peer: base, handlers: h, sources: map[string]*Source{}}
	p.pc.OnTrack(p.onTrack)
	p.pc.OnDataChannel(p.onDataChannel)
	return p, nil
}

// Feed names the sources that the m-lines feed from now on, by mid, and where data channels go (nil: nowhere). Call it
// before [PublishPeer.Answer], so that nothing that arrives early is missed.
func (p *PublishPeer) Feed(sources map[string]*Source, data *DataSource) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sources, p.data = sources, data
}

// Answer answers an offer with all candidates in it. accepted holds the mids that the answer takes media on. After an
// error the connection may be unusable and is best closed.
func (p *PublishPeer) Answer(ctx context.Context, offer *Description) (answer string, accepted []string, err error) {
	p.mu.Lock()
	p.offer = offer
	p.mu.Unlock()
	if err := p.setRemote(offer, webrtc.SDPTypeOffer); err != nil {
		return "", nil, err
	}
	p.announceCodecs()
	answer, err = p.setLocal(ctx, func() (webrtc.SessionDescription, error) { return p.pc.CreateAnswer(nil) })
	if err != nil {
		return "", nil, err
	}
	parsed, err := ParseDescription(answer)
	if err != nil {
		return "", nil, errors.Join(errors.New("our own answer"), err)
	}
	for _, m := range parsed.Media {
		if !m.Rejected && (m.Receives || m.Kind == control.KindData) {
			accepted = append(accepted, m.MID)
		}
	}
	return answer, accepted, nil
}

// announceCodecs sets the codec that a sender takes first, so that receivers can be offered the track before its first
// packet has come.
func (p *PublishPeer) announceCodecs() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, transceiver := range p.pc.GetTransceivers() {
		source := p.sources[transceiver.Mid()]
		if source == nil || source.Codec() != (Codec{}) || transceiver.Receiver() == nil {
			continue
		}
		if first, found := firstCodec(transceiver.Receiver().GetParameters().Codecs); found {
			source.setCodec(newCodec(first.RTPCodecCapability))
		}
	}
}

// onTrack runs on a goroutine of its own that Pion began for it, once for each layer.
func (p *PublishPeer) onTrack(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	mid := ""
	for _, transceiver := range p.pc.GetTransceivers() {
		if transceiver.Receiver() == receiver {
			mid = transceiver.Mid()
		}
	}
	p.mu.Lock()
	source := p.sources[mid]
	if source != nil && !p.closed {
		p.read(source, track, receiver, p.offer.layers(mid), p.handlers.Codec)
	}
	p.mu.Unlock()
}

func (p *PublishPeer) onDataChannel(channel *webrtc.DataChannel) {
	p.mu.Lock()
	data := p.data
	p.mu.Unlock()
	if data != nil {
		data.accept(channel)
	}
}

// Close ends the connection and returns when nothing runs for it any more.
func (p *PublishPeer) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.close()
}
