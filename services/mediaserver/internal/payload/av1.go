package payload

// Types of AV1 OBUs (AV1 bitstream specification section 6.2.2).
const (
	obuSequenceHeader = 1
	obuFrameHeader    = 3
	obuFrame          = 6
)

// AV1 is what an AV1 packet says without the Dependency Descriptor ("RTP Payload Format For AV1", section 4.4).
type AV1 struct {
	Continues   bool // Z: begins with the rest of an OBU
	Continued   bool // Y: the last OBU goes on in the next packet
	NewSequence bool // N: first packet of a coded video sequence, which begins with a keyframe
	Frame       bool // begins with a sequence header, frame header or frame
	Spatial     uint8
	Temporal    uint8
}

// ParseAV1 reads the aggregation header of a payload and the header of its first OBU; ok is false when it is cut short.
func ParseAV1(payload []byte) (p AV1, ok bool) {
	c := cursor{data: payload}
	first := c.byte()
	p.Continues = first&0x80 != 0
	p.Continued = first&0x40 != 0
	p.NewSequence = first&0x08 != 0
	if p.Continues && p.NewSequence {
		return AV1{}, false // section 4.4 forbids it
	}
	if first&0x30 != 0x10 { // W is 1: a single element has no size before it
		c.leb128()
	}
	header := c.byte()
	if c.short {
		return AV1{}, false
	}
	if p.Continues {
		return p, true
	}
	switch header >> 3 & 0x0f {
	case obuSequenceHeader, obuFrameHeader, obuFrame:
		p.Frame = true
	}
	if header&0x04 != 0 {
		layer := c.byte()
		p.Temporal, p.Spatial = layer>>5, layer>>3&0x03
	}
	return p, !c.short
}

// leb128 is a number of up to eight bytes (section 4.10.5).
func (c *cursor) leb128() uint64 {
	var value uint64
	for i := range 8 {
		b := c.byte()
		value |= uint64(b&0x7f) << (7 * i)
		if b&0x80 == 0 {
			return value
		}
	}
	c.short = true
	return 0
}

// Info is the packet in the words of all formats. The Dependency Descriptor knows more.
func (p AV1) Info() Info {
	return Info{
		Keyframe: p.NewSequence, Begin: p.Frame, SwitchUp: p.NewSequence, Spatial: p.Spatial, Temporal: p.Temporal,
	}
}
