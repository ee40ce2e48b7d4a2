package rtc

import "github.com/pion/rtp"

// delivery says how a sink gets a packet.
type delivery struct {
	sink      *Sink
	out       *Output
	sequence  uint16
	timestamp uint32
	marker    bool
	filler    bool // padding in its place: it is left out, but its number cannot be
	begins    bool // first packet of a stretch
	renumber  bool // of VP8, as are
	picture   uint16
	tl0       uint8
	replay    *replay // not nil: instead of the packet, begin with this
}

// write sends p, with scratch space of the caller, and returns the bytes of payload that went; 0: none did.
func (d *delivery) write(h *rtp.Header, p *packet, rewritten *[]byte) int {
	fillHeader(h, d, p)
	content := p.payload
	switch {
	case d.filler: // RFC 3550 section 5.1
		h.Padding, h.PaddingSize, content = true, 1, nil
	case d.out.REDPayloadType != 0 && p.red != nil && p.redInner == d.out.PayloadType:
		h.PayloadType, content = d.out.REDPayloadType, p.red
	case d.renumber:
		*rewritten = p.vp8.Rewrite((*rewritten)[:0], content, d.picture, d.tl0)
		content = *rewritten
	}
	n, err := d.out.Writer.WriteRTP(h, content)
	if err != nil {
		return 0 // not connected yet, or closing
	}
	return n
}

func fillHeader(h *rtp.Header, d *delivery, p *packet) {
	extensions := h.Extensions[:0]
	*h = rtp.Header{
		Version:        2,
		Marker:         d.marker,
		PayloadType:    d.out.PayloadType,
		SequenceNumber: d.sequence,
		Timestamp:      d.timestamp,
		SSRC:           d.out.SSRC,
		Extensions:     extensions,
	}
	if d.out.AudioLevelID != 0 && len(p.audioLevel) == 1 {
		h.Extension = true
		h.ExtensionProfile = rtp.ExtensionProfileOneByte
		_ = h.SetExtension(d.out.AudioLevelID, p.audioLevel) // ids above 14 do not fit and are left away
	}
	if d.out.DependencyID != 0 && len(p.dependency) > 0 {
		h.Extension = true
		h.ExtensionProfile = rtp.ExtensionProfileOneByte
		if len(p.dependency) > maxShortExtension {
			h.ExtensionProfile = rtp.ExtensionProfileTwoByte
		}
		_ = h.SetExtension(d.out.DependencyID, p.dependency)
	}
}

// maxShortExtension is how long a header extension may be in the one-byte form (RFC 8285 section 4.2).
const maxShortExtension = 16
