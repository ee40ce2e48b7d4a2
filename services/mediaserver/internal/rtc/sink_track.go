package rtc

import (
	"errors"

	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
)

var errNoCommonCodec = errors.New("no codec in common")

// localTrack shows a sink to Pion. Its methods are called by the connection it was added to.
type localTrack struct {
	*Sink
	peer *peer
	// answered is what the client takes on the track's own m-line; nil: whatever Pion has negotiated.
	answered *[]webrtc.RTPCodecParameters
}

// track shows a sink to the connection, which from then on chooses the layer of a video.
func (p *peer) track(sink *Sink) localTrack {
	if sink.kind == control.KindVideo {
		p.shaper.add(sink)
	}
	return localTrack{Sink: sink, peer: p}
}

// ID implements webrtc.TrackLocal.
func (t localTrack) ID() string { return t.id }

// RID implements webrtc.TrackLocal.
func (t localTrack) RID() string { return "" }

// StreamID implements webrtc.TrackLocal.
func (t localTrack) StreamID() string { return t.streamID }

// Kind implements webrtc.TrackLocal.
func (t localTrack) Kind() webrtc.RTPCodecType { return webrtc.NewRTPCodecType(t.kind) }

// Bind begins sending with what was negotiated. A client that cannot decode what the source sends gets nothing on this
// track: an error would end the connection, with all that it can decode.
func (t localTrack) Bind(ctx webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	negotiated := ctx.CodecParameters()
	if t.answered != nil {
		negotiated = *t.answered
	}
	chosen, found := t.choose(negotiated)
	switch {
	case found:
	case t.answered != nil && len(ctx.CodecParameters()) > 0:
		return ctx.CodecParameters()[0], nil
	default:
		return webrtc.RTPCodecParameters{}, errNoCommonCodec
	}
	out := &Output{
		Codec:        newCodec(chosen.RTPCodecCapability),
		PayloadType:  uint8(chosen.PayloadType),
		SSRC:         uint32(ctx.SSRC()),
		AudioLevelID: extensionID(ctx.HeaderExtensions(), extensionAudioLevel),
		Control:      t.peer.writeRTCP,
	}
	if t.peer.mixed {
		out.DependencyID = extensionID(ctx.HeaderExtensions(), extensionDependency)
	}
	t.open(out, ctx, uint8(companionIn(negotiated, chosen.PayloadType)))
	if t.wanted == (Codec{}) {
		takeFormats(out, negotiated)
	}
	t.bind(out)
	reader := ctx.RTCPReader()
	t.reading.Go(func() { t.readFeedback(reader, out) })
	return chosen, nil
}

// open gives out its way to the client, with what comes along with its codec, 0: nothing does. Video without RTX comes
// again under its old numbers, with nothing in it that was not there before: SRTP must never encrypt two packets under
// one number (RFC 7714 section 8). So it has no transport-wide numbers.
func (t localTrack) open(out *Output, ctx webrtc.TrackLocalContext, companion uint8) {
	numbers := extensionID(ctx.HeaderExtensions(), extensionTWCC)
	switch again := uint32(ctx.SSRCRetransmission()); {
	case t.kind == control.KindAudio:
		out.REDPayloadType = companion
	case companion != 0 && again != 0:
		out.again = out.repeating(companion, again, t.writer(ctx, numbers))
	default:
		numbers = 0
	}
	out.Writer = t.writer(ctx, numbers)
}

// writer is a way to the client for one SSRC; numbers is the id of the extension for transport-wide numbers, 0: none.
func (t localTrack) writer(ctx webrtc.TrackLocalContext, numbers uint8) rtpWriter {
	return t.peer.shaper.writer(&outlet{via: t.peer.short, pion: ctx.WriteStream()}, numbers)
}

// Unbind ends sending.
func (t localTrack) Unbind(webrtc.TrackLocalContext) error {
	t.Sink.Unbind()
	return nil
}

// choose takes the codec that the sink is meant for, else the first that was negotiated, in the server's order.
func (t localTrack) choose(negotiated []webrtc.RTPCodecParameters) (webrtc.RTPCodecParameters, bool) {
	if t.wanted != (Codec{}) {
		return t.wanted.find(negotiated)
	}
	for _, preferred := range codecsOf(t.kind) {
		if c, found := newCodec(preferred.RTPCodecCapability).find(negotiated); found {
			return c, true
		}
	}
	return webrtc.RTPCodecParameters{}, false
}

func codecsOf(kind string) []webrtc.RTPCodecParameters {
	if kind == control.KindAudio {
		return audioCodecs()
	}
	return videoCodecs()
}

func extensionID(list []webrtc.RTPHeaderExtensionParameter, uri string) uint8 {
	for _, extension := range list {
		if extension.URI == uri {
			return uint8(extension.ID)
		}
	}
	return 0
}
