package payload

// maxReferences is how many pictures a picture of VP9 in flexible mode names as those that it depends on.
const maxReferences = 3

// VP9 is the payload descriptor of a VP9 packet (RFC 9628 section 4.2).
type VP9 struct {
	Begin        bool // first packet of a layer frame
	End          bool // last packet of a layer frame
	Inter        bool // P: depends on an earlier picture
	Flexible     bool // F: says which pictures it depends on
	NonReference bool // Z: no higher spatial layer of the picture needs this one

	HasPictureID  bool
	LongPictureID bool // 15 bits instead of 7
	PictureID     uint16
	Layered       bool // the fields that follow are there
	Temporal      uint8
	SwitchUp      bool // U: later pictures of this temporal layer do not depend on earlier ones of it
	Spatial       uint8
	InterLayer    bool // D: depends on the spatial layer below, in the same picture
	HasTL0        bool
	TL0           uint8

	Structure VP9Structure

	Size int // of the descriptor, in bytes
}

// VP9Structure is the scalability structure, which comes with a keyframe.
type VP9Structure struct {
	Layers        int // spatial layers; 0: there is no structure in the packet
	HasSizes      bool
	Width, Height [8]uint16 // by spatial layer, of Layers of them
}

// ParseVP9 reads the descriptor of a payload; ok is false when it is cut short.
func ParseVP9(payload []byte) (d VP9, ok bool) {
	c := cursor{data: payload}
	first := c.byte()
	d.Inter = first&0x40 != 0
	d.Layered = first&0x20 != 0
	d.Flexible = first&0x10 != 0
	d.Begin = first&0x08 != 0
	d.End = first&0x04 != 0
	d.NonReference = first&0x01 != 0
	if d.HasPictureID = first&0x80 != 0; d.HasPictureID {
		d.readPictureID(&c)
	}
	if d.Layered {
		d.readLayer(&c)
	}
	if d.Flexible && d.Inter {
		more := true
		for i := 0; i < maxReferences && more; i++ {
			more = c.byte()&0x01 != 0
		}
		if more {
			return VP9{}, false
		}
	}
	if first&0x02 != 0 {
		d.Structure.read(&c)
	}
	d.Size = c.at
	if c.short || c.at >= len(payload) {
		return VP9{}, false
	}
	return d, true
}

func (d *VP9) readPictureID(c *cursor) {
	d.PictureID = uint16(c.byte())
	if d.PictureID&0x80 != 0 {
		d.LongPictureID = true
		d.PictureID = d.PictureID&0x7f<<8 | uint16(c.byte())
	}
}

func (d *VP9) readLayer(c *cursor) {
	layer := c.byte()
	d.Temporal = layer >> 5
	d.SwitchUp = layer&0x10 != 0
	d.Spatial = layer >> 1 & 0x07
	d.InterLayer = layer&0x01 != 0
	if d.HasTL0 = !d.Flexible; d.HasTL0 {
		d.TL0 = c.byte()
	}
}

func (s *VP9Structure) read(c *cursor) {
	first := c.byte()
	s.Layers = int(first>>5) + 1
	if s.HasSizes = first&0x10 != 0; s.HasSizes {
		for i := range s.Layers {
			s.Width[i], s.Height[i] = c.uint16(), c.uint16()
		}
	}
	if first&0x08 == 0 {
		return
	}
	// The pictures of a group: the layers repeat what each packet says, so they are stepped over.
	for range c.byte() {
		for range c.byte() >> 2 & 0x03 {
			c.byte()
		}
	}
}

// Keyframe says whether a decoder can begin with this packet.
func (d VP9) Keyframe() bool { return d.Begin && !d.Inter && d.Spatial == 0 && !d.InterLayer }

// Info is the descriptor in the words of all formats.
func (d VP9) Info() Info {
	info := Info{
		Keyframe: d.Keyframe(), Begin: d.Begin, End: d.End, Spatial: d.Spatial, Temporal: d.Temporal,
		SwitchUp: d.SwitchUp || !d.Inter,
	}
	if s := d.Structure; s.HasSizes {
		info.Width, info.Height = s.Width[s.Layers-1], s.Height[s.Layers-1]
	}
	return info
}
