package rtc

import "github.com/orkestro/orkestro/services/mediaserver/internal/payload"

// unpack takes the frame that a packet of redundant audio was sent for out of it. It reports false for a packet that is
// none. A source of redundant audio is one of the codec in it: its packets go with the redundancy to those who take it,
// and without it to the others. The redundancy is kept if all frames are of one payload type, which the receiver must
// know by the same number.
func (p *packet) unpack() bool {
	red, ok := payload.ParseRED(p.payload)
	if !ok {
		return false
	}
	p.red, p.redInner = p.payload, red.Primary().PayloadType
	for _, block := range red.Blocks[:red.Count] {
		if block.PayloadType != p.redInner {
			p.red = nil
		}
	}
	p.payload = red.Primary().Data
	return true
}
