package payload

// VP8 is the payload descriptor of a VP8 packet (RFC 7741 section 4.2), and of a keyframe's first packet the size of
// the picture.
type VP8 struct {
	Start        bool // first packet of a frame
	Keyframe     bool // first packet of a keyframe
	NonReference bool // no other frame needs this one

	HasPictureID  bool
	LongPictureID bool   // 15 bits instead of 7
	PictureID     uint16 // goes up by one with every frame
	HasTL0        bool
	TL0           uint8 // TL0PICIDX: counts the frames of temporal layer 0
	HasTemporal   bool
	Temporal      uint8
	LayerSync     bool // depends on temporal layer 0 only

	Width, Height uint16 // of a keyframe, else 0

	Size int // of the descriptor, in bytes

	pictureAt, tl0At int // where they are in the payload
}

// ParseVP8 reads the descriptor of a payload; ok is false when it is cut short.
func ParseVP8(payload []byte) (d VP8, ok bool) {
	c := cursor{data: payload}
	first := c.byte()
	d.NonReference = first&0x20 != 0
	d.Start = first&0x10 != 0 && first&0x07 == 0
	if first&0x80 != 0 {
		d.readExtension(&c)
	}
	d.Size = c.at
	// Empty: a descriptor without a frame, which nobody sends.
	if c.short || c.at >= len(payload) {
		return VP8{}, false
	}
	if d.Start {
		d.readFrame(payload[c.at:])
	}
	return d, true
}

func (d *VP8) readExtension(c *cursor) {
	present := c.byte()
	if present&0x80 != 0 {
		d.HasPictureID, d.pictureAt = true, c.at
		d.PictureID = uint16(c.byte())
		if d.PictureID&0x80 != 0 {
			d.LongPictureID = true
			d.PictureID = d.PictureID&0x7f<<8 | uint16(c.byte())
		}
	}
	if present&0x40 != 0 {
		d.HasTL0, d.tl0At = true, c.at
		d.TL0 = c.byte()
	}
	if present&0x30 != 0 {
		layer := c.byte()
		if d.HasTemporal = present&0x20 != 0; d.HasTemporal {
			d.Temporal = layer >> 6
			d.LayerSync = layer&0x20 != 0
		}
	}
}

// readFrame reads the frame header (RFC 6386 section 9.1).
func (d *VP8) readFrame(frame []byte) {
	d.Keyframe = frame[0]&0x01 == 0
	if d.Keyframe && len(frame) >= 10 && frame[3] == 0x9d && frame[4] == 0x01 && frame[5] == 0x2a {
		d.Width = (uint16(frame[7])<<8 | uint16(frame[6])) & 0x3fff // the rest is how to scale it
		d.Height = (uint16(frame[9])<<8 | uint16(frame[8])) & 0x3fff
	}
}

// Info is the descriptor in the words of all formats.
func (d VP8) Info() Info {
	return Info{
		Keyframe: d.Keyframe, Begin: d.Start, Temporal: d.Temporal, Discardable: d.NonReference,
		SwitchUp: d.LayerSync || d.Keyframe, Width: d.Width, Height: d.Height,
	}
}

// Rewrite appends the payload that d was read from to buffer, with another picture id and TL0PICIDX where it has them.
// The picture id keeps its 7 or 15 bits, so the payload keeps its size.
func (d VP8) Rewrite(buffer, payload []byte, pictureID uint16, tl0 uint8) []byte {
	begin := len(buffer)
	buffer = append(buffer, payload...)
	own := buffer[begin:]
	switch {
	case d.LongPictureID:
		own[d.pictureAt], own[d.pictureAt+1] = 0x80|byte(pictureID>>8), byte(pictureID)
	case d.HasPictureID:
		own[d.pictureAt] = byte(pictureID) & 0x7f
	}
	if d.HasTL0 {
		own[d.tl0At] = tl0
	}
	return buffer
}
