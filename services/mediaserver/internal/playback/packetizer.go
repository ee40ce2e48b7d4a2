package playback

import (
	"math/rand/v2"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
)

// maxPayloadBytes leaves room for the headers of RTP, SRTP, UDP and IPv6 in 1280 bytes, which every network carries.
const maxPayloadBytes = 1150

// videoClock is the clock of all video in RTP, in Hz.
const videoClock = 90000

// packetizer makes RTP packets of the samples of one track.
type packetizer struct {
	track  Track
	clock  int64 // Hz
	header rtp.Header
	pay    rtp.Payloader
}

func newPacketizer(t Track) *packetizer {
	p := &packetizer{track: t, clock: int64(t.ClockRate())}
	p.header = rtp.Header{Version: 2, SSRC: rand.Uint32()} //nolint:gosec // tells streams apart, hides nothing
	switch t.Codec {
	case VP8:
		p.pay = &codecs.VP8Payloader{EnablePictureID: true}
	case VP9:
		p.pay = &codecs.VP9Payloader{}
	case AV1:
		p.pay = &codecs.AV1Payloader{}
	case H264:
		p.pay = &codecs.H264Payloader{}
	default:
		p.pay = &codecs.OpusPayloader{}
	}
	return p
}

// timestamp is the RTP timestamp of a time in the file.
func (p *packetizer) timestamp(t time.Duration) uint32 {
	const second = int64(time.Second)
	ticks := int64(t)/second*p.clock + (int64(t)%second*p.clock+second/2)/second
	return uint32(ticks)
}

// packets calls write with each packet of a sample.
func (p *packetizer) packets(s Sample, at time.Duration, write func([]byte)) {
	data := s.Data
	if p.track.Codec == H264 {
		var sets [][]byte
		if s.Keyframe {
			sets = p.track.Sets
		}
		data = annexB(data, sets)
	}
	payloads := p.pay.Payload(maxPayloadBytes, data)
	p.header.Timestamp = p.timestamp(at)
	for i, payload := range payloads {
		p.header.Marker = p.track.Video() && i == len(payloads)-1
		p.header.SequenceNumber++
		packet := rtp.Packet{Header: p.header, Payload: payload}
		if raw, err := packet.Marshal(); err == nil { // the header has nothing that cannot be encoded
			write(raw)
		}
	}
}
