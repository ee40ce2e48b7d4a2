package rtc

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
)

// SubscribePeer sends to a client what it subscribed to: this side offers. Its methods are called by one goroutine at a
// time.
type SubscribePeer struct {
	*peer
	tracks   map[*Source]*outgoing
	channels map[*Mirror]*webrtc.DataChannel
	full     map[string]bool                 // kinds of which an m-line with every codec was offered
	known    map[string]bool                 // kinds whose codecs Pion has taken from an answer
	free     map[*webrtc.RTPTransceiver]bool // m-lines that were negotiated to carry nothing
}

type outgoing struct {
	sink     *Sink
	sender   *webrtc.RTPSender
	codec    Codec
	offered  []webrtc.RTPCodecParameters // on its m-line
	answered []webrtc.RTPCodecParameters // what the client takes there
}

// Track is a source that is to be sent, and the stream that the client knows it by.
type Track struct {
	Stream   control.StreamID
	Source   *Source
	MaxLayer *int // highest layer that is wished for; nil: all
}

func (t Track) maxLayer() int {
	if t.MaxLayer == nil {
		return AllLayers
	}
	return *t.MaxLayer
}

// NewSubscribePeer makes a connection without tracks.
func (e *Engine) NewSubscribePeer(h Handlers) (*SubscribePeer, error) {
	base, err := e.newPeer(e.subscribe, h)
	if err != nil {
		return nil, err
	}
	return &SubscribePeer{
		peer:     base,
		tracks:   map[*Source]*outgoing{},
		channels: map[*Mirror]*webrtc.DataChannel{},
		full:     map[string]bool{},
		known:    map[string]bool{},
		free:     map[*webrtc.RTPTransceiver]bool{},
	}, nil
}

// Change says what setting tracks or channels leads to.
type Change int

// The changes, the greater one including the less.
const (
	Unchanged Change = iota
	NeedsOffer
	NeedsTwoOffers // and to be set once more after the answer to the first
)

// SetTracks makes the connection send the given tracks and no other. Call it in stable signalling state only. A track
// whose codec is another than before leaves first and comes again in the second offer.
func (p *SubscribePeer) SetTracks(tracks []Track) (change Change, err error) {
	wanted := make(map[*Source]bool, len(tracks))
	for _, track := range tracks {
		wanted[track.Source] = true
	}
	left := map[*Source]bool{}
	for source, out := range p.tracks {
		if wanted[source] && source.Codec() == out.codec {
			continue
		}
		err = errors.Join(err, p.removeTrack(source, out))
		left[source] = true
		change = max(change, NeedsOffer)
	}
	for _, track := range tracks {
		switch out := p.tracks[track.Source]; {
		case out != nil:
			out.sink.SetMaxLayer(track.maxLayer())
		case left[track.Source]:
			change = NeedsTwoOffers
		default:
			if addErr := p.addTrack(track); addErr != nil {
				err = errors.Join(err, addErr)
				continue
			}
			change = max(change, NeedsOffer)
		}
	}
	return change, err
}

func (p *SubscribePeer) addTrack(t Track) error {
	sink := NewSink(t.Source.Kind(), string(t.Stream), control.NewID())
	sink.wanted = t.Source.Codec()
	added := &outgoing{sink: sink, codec: sink.wanted}
	track := p.track(sink)
	track.answered = &added.answered
	sender, transceiver, err := p.addSender(track)
	if err != nil {
		p.shaper.remove(sink)
		return fmt.Errorf("add track: %w", err)
	}
	added.offered = p.offered(t.Source.Kind(), sink.wanted)
	if err := transceiver.SetCodecPreferences(slices.Clone(added.offered)); err != nil {
		p.shaper.remove(sink)
		return errors.Join(fmt.Errorf("codec of track: %w", err), p.pc.RemoveTrack(sender))
	}
	sink.SetMaxLayer(t.maxLayer())
	sink.Attach(t.Source)
	added.sender = sender
	p.tracks[t.Source] = added
	return nil
}

// addSender reuses an m-line that is not in use any more, so that the description does not grow as streams come and go.
func (p *SubscribePeer) addSender(track localTrack) (*webrtc.RTPSender, *webrtc.RTPTransceiver, error) {
	for _, t := range p.pc.GetTransceivers() {
		if t.Kind() == track.Kind() && p.free[t] {
			sender, err := p.pc.AddTrack(track)
			if err != nil {
				return nil, nil, err
			}
			t = transceiverOf(p.pc, sender)
			delete(p.free, t)
			return sender, t, nil
		}
	}
	t, err := p.pc.AddTransceiverFromTrack(track, webrtc.RTPTransceiverInit{
		Direction: webrtc.RTPTransceiverDirectionSendonly,
	})
	if err != nil {
		return nil, nil, err
	}
	return t.Sender(), t, nil
}

func transceiverOf(pc *webrtc.PeerConnection, sender *webrtc.RTPSender) *webrtc.RTPTransceiver {
	for _, t := range pc.GetTransceivers() {
		if t.Sender() == sender {
			return t
		}
	}
	return nil
}

// offered is the codec of the track, and in the first m-line of a kind every other one after it: a client that is made
// with Pion can later only use codecs that it saw in the first offer.
func (p *SubscribePeer) offered(kind string, wanted Codec) []webrtc.RTPCodecParameters {
	all := codecsOf(kind)
	first, found := wanted.find(all)
	if !found {
		return all
	}
	list := []webrtc.RTPCodecParameters{first}
	if companion, found := companionOf(first); found {
		list = append(list, companion)
	}
	if p.full[kind] {
		return list
	}
	p.full[kind] = true
	for _, c := range all {
		if c.PayloadType != first.PayloadType {
			list = append(list, c)
		}
	}
	return list
}

func (p *SubscribePeer) removeTrack(source *Source, out *outgoing) error {
	delete(p.tracks, source)
	p.shaper.remove(out.sink)
	out.sink.Attach(nil)
	err := p.pc.RemoveTrack(out.sender)
	out.sink.reading.Wait()
	if err != nil {
		return fmt.Errorf("remove track: %w", err)
	}
	return nil
}

// SetChannels opens a data channel for each mirror and closes those of others. Only the first
// channel of a connection needs an offer.
func (p *SubscribePeer) SetChannels(mirrors []*Mirror) (change Change, err error) {
	wanted := make(map[*Mirror]bool, len(mirrors))
	for _, m := range mirrors {
		wanted[m] = true
	}
	for m, channel := range p.channels {
		if !wanted[m] {
			delete(p.channels, m)
			err = errors.Join(err, channel.Close())
		}
	}
	for _, m := range mirrors {
		if p.channels[m] != nil {
			continue
		}
		channel, openErr := p.pc.CreateDataChannel(m.label, m.options())
		if openErr != nil {
			err = errors.Join(err, fmt.Errorf("open data channel: %w", openErr))
			continue
		}
		if !p.hasData() {
			change = NeedsOffer
		}
		p.channels[m] = channel
		m.bind(channel)
	}
	return change, err
}

func (p *SubscribePeer) hasData() bool {
	local := p.pc.CurrentLocalDescription()
	if local == nil {
		return false
	}
	d, err := ParseDescription(local.SDP)
	if err != nil {
		return false
	}
	for _, m := range d.Media {
		if m.Kind == control.KindData {
			return true
		}
	}
	return false
}

// Offer makes an offer with all candidates in it.
func (p *SubscribePeer) Offer(ctx context.Context, iceRestart bool) (string, error) {
	if iceRestart {
		p.path.restart()
	}
	text, err := p.setLocal(ctx, func() (webrtc.SessionDescription, error) {
		return p.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: iceRestart})
	})
	return withMixed(text), err
}

// Accept takes the client's answer to the last offer. Errors that are [ErrSDP] leave the connection as it was; after
// others it is best closed.
func (p *SubscribePeer) Accept(answer *Description) error {
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
	for _, out := range p.tracks {
		if t := transceiverOf(p.pc, out.sender); t != nil {
			out.answered = taken(out.offered, answer.formatsOf(t.Mid()))
		}
	}
	for _, kind := range KindsOf() {
		p.known[kind] = p.known[kind] || answer.withEveryFormat(kind)
	}
	if err := p.setRemote(answer, webrtc.SDPTypeAnswer); err != nil {
		return err
	}
	for _, t := range p.pc.GetTransceivers() {
		if t.Sender() == nil && t.Direction() == webrtc.RTPTransceiverDirectionInactive {
			p.free[t] = true
		}
	}
	return nil
}

// RequestKeyframes asks for a keyframe of every video: when the connection is ready for the first one.
func (p *SubscribePeer) RequestKeyframes() {
	for _, out := range p.tracks {
		out.sink.Refresh()
	}
}

// Close ends the connection and returns when nothing runs for it any more.
func (p *SubscribePeer) Close() {
	for source, out := range p.tracks {
		out.sink.Attach(nil)
		delete(p.tracks, source)
		defer out.sink.reading.Wait()
	}
	for m := range p.channels {
		m.unbind()
	}
	p.close()
}
