package payload

// Types of H264 NAL units (ITU-T H.264 table 7-1; RFC 6184 section 5.2 from 24 on).
const (
	nalSlice   = 1
	nalIDR     = 5
	nalSEI     = 6
	nalSPS     = 7
	nalPPS     = 8
	nalAUD     = 9
	nalSTAPA   = 24
	nalFUA     = 28
	nalTypes   = 0x1f
	nalRefIDC  = 0x60
	fuStartBit = 0x80
)

// H264 is what an H264 packet (RFC 6184) says: single NAL units, STAP-A and FU-A, which is what browsers and encoders
// send in packetization modes 0 and 1.
type H264 struct {
	Begin bool // first packet of a picture, as far as one packet shows it
	// Keyframe: parameter sets or the first slice of an IDR picture are in it. Encoders send the parameter sets before
	// each IDR picture, or in the SDP only.
	Keyframe      bool
	NonReference  bool // no other picture needs this one
	Width, Height uint16
}

// ParseH264 reads a payload; ok is false when it is cut short or of a kind that is not read.
func ParseH264(payload []byte) (p H264, ok bool) {
	if len(payload) < 2 {
		return H264{}, false
	}
	switch kind := payload[0] & nalTypes; {
	case kind >= nalSlice && kind < nalSTAPA:
		p.readNAL(payload[0], payload[1:])
		return p, true
	case kind == nalSTAPA:
		if !p.readAggregate(payload[1:]) {
			return H264{}, false
		}
		return p, true
	case kind == nalFUA && len(payload) > 2:
		if start := payload[1]; start&fuStartBit != 0 {
			p.readNAL(payload[0]&nalRefIDC|start&nalTypes, payload[2:])
		}
		return p, true
	default:
		return H264{}, false
	}
}

// readAggregate reads the NAL units of a STAP-A (RFC 6184 section 5.7.1).
func (p *H264) readAggregate(units []byte) bool {
	for len(units) > 2 {
		size := int(units[0])<<8 | int(units[1])
		units = units[2:]
		if size == 0 || size > len(units) {
			return false
		}
		p.readNAL(units[0], units[1:size])
		units = units[size:]
	}
	return len(units) == 0
}

func (p *H264) readNAL(header byte, body []byte) {
	switch header & nalTypes {
	case nalSlice, nalIDR:
		// first_mb_in_slice is 0: coded as a single bit, which is 1 (section 7.3.3).
		first := len(body) > 0 && body[0]&0x80 != 0
		p.Begin = p.Begin || first
		p.Keyframe = p.Keyframe || first && header&nalTypes == nalIDR
		p.NonReference = header&nalRefIDC == 0
	case nalSPS:
		p.Begin, p.Keyframe = true, true
		p.readSPS(body)
	case nalSEI, nalPPS, nalAUD:
		p.Begin = true
	}
}

// readSPS reads the size of the picture (section 7.3.2.1.1); what cannot be read leaves it unknown.
func (p *H264) readSPS(body []byte) {
	if len(body) < 4 {
		return
	}
	b := &bits{data: body, at: 24, escape: true}
	b.golomb() // seq_parameter_set_id
	chroma := uint32(1)
	switch body[0] { // profile_idc
	case 44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244:
		chroma = b.readChroma()
	}
	b.golomb() // log2_max_frame_num
	b.skipOrderCount()
	b.golomb() // max_num_ref_frames
	b.bit()    // gaps_in_frame_num_value_allowed_flag
	width, height := b.golomb()+1, b.golomb()+1
	frames := b.bit() // frame_mbs_only_flag
	if frames == 0 {
		b.bit() // mb_adaptive_frame_field_flag
	}
	b.bit() // direct_8x8_inference_flag
	var left, right, top, bottom uint32
	if b.flag() {
		left, right, top, bottom = b.golomb(), b.golomb(), b.golomb(), b.golomb()
	}
	const maxMacroblocks = 1 << 12 // 65,536 pixels each way
	if b.short || width >= maxMacroblocks || height >= maxMacroblocks/2 {
		return
	}
	unitX, unitY := cropUnits(chroma)
	unitY *= 2 - frames
	p.Width = cropped(width*16, unitX, left, right)
	p.Height = cropped(height*16*(2-frames), unitY, top, bottom)
}

// readChroma reads what the high profiles have in addition.
func (b *bits) readChroma() (chroma uint32) {
	if chroma = b.golomb(); chroma == 3 {
		b.bit() // separate_colour_plane_flag
	}
	b.golomb() // bit_depth_luma
	b.golomb() // bit_depth_chroma
	b.bit()    // qpprime_y_zero_transform_bypass_flag
	if !b.flag() {
		return chroma
	}
	lists := 8
	if chroma == 3 {
		lists = 12
	}
	for i := range lists {
		if b.flag() {
			b.skipScalingList(16 + i/6*48)
		}
	}
	return chroma
}

// skipScalingList steps over one (section 7.3.2.1.1.1); those from the seventh on have 64 entries.
func (b *bits) skipScalingList(size int) {
	last, next := int32(8), int32(8)
	for range size {
		if next != 0 {
			next = (last + b.signedGolomb()) & 0xff
		}
		if next != 0 {
			last = next
		}
	}
}

func (b *bits) skipOrderCount() {
	switch b.golomb() { // pic_order_cnt_type
	case 0:
		b.golomb()
	case 1:
		b.bit()
		b.golomb()
		b.golomb()
		for i := b.golomb(); i > 0 && !b.short; i-- {
			b.golomb()
		}
	}
}

// cropUnits are the pixels that one step of cropping takes (table 6-1).
func cropUnits(chroma uint32) (x, y uint32) {
	switch chroma {
	case 1:
		return 2, 2
	case 2:
		return 2, 1
	default:
		return 1, 1
	}
}

func cropped(size, unit, before, after uint32) uint16 {
	cut := uint64(unit) * (uint64(before) + uint64(after))
	if cut >= uint64(size) {
		return 0
	}
	return uint16(uint64(size) - cut)
}

// Info is the packet in the words of all formats.
func (p H264) Info() Info {
	return Info{
		Keyframe: p.Keyframe, Begin: p.Begin, Discardable: p.NonReference, SwitchUp: p.Keyframe,
		Width: p.Width, Height: p.Height,
	}
}
