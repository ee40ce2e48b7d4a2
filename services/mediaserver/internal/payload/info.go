package payload

import "strings"

// Format is how a payload is packed.
type Format int

// The formats that can be read. Of others nothing is known.
const (
	Unknown Format = iota
	FormatVP8
	FormatVP9
	FormatH264
	FormatAV1
)

// FormatOf is the format of a MIME type such as "video/VP8".
func FormatOf(mime string) Format {
	switch strings.ToLower(mime) {
	case "video/vp8":
		return FormatVP8
	case "video/vp9":
		return FormatVP9
	case "video/h264":
		return FormatH264
	case "video/av1":
		return FormatAV1
	default:
		return Unknown
	}
}

// Info is what one packet says about the frame that it is a part of. The zero value says nothing.
type Info struct {
	Keyframe bool  // a decoder can begin with this packet: the first one of a frame that depends on no other
	Begin    bool  // first packet of the frame (of one spatial layer, where there are several)
	End      bool  // last packet of the frame; of VP8 and H264 the RTP marker says it, and it is never set
	Spatial  uint8 // spatial layer, 0 the smallest picture
	Temporal uint8 // temporal layer, 0 the one that the others are built on
	// SwitchUp: who got the temporal layers below this one may get this one too from this packet's frame on.
	SwitchUp bool
	// Discardable: no other frame needs this one.
	Discardable bool

	Width, Height uint16 // of the whole picture, in pixels; 0 where the packet does not say
}

// Read looks at one payload; ok is false when it is none of the format, and the info is empty then. Of AV1, the header
// extension that [Dependencies] reads tells more.
func (f Format) Read(payload []byte) (info Info, ok bool) {
	switch f {
	case FormatVP8:
		d, ok := ParseVP8(payload)
		return d.Info(), ok
	case FormatVP9:
		d, ok := ParseVP9(payload)
		return d.Info(), ok
	case FormatH264:
		p, ok := ParseH264(payload)
		return p.Info(), ok
	case FormatAV1:
		p, ok := ParseAV1(payload)
		return p.Info(), ok
	default:
		return Info{}, false
	}
}

// cursor reads a payload from its beginning. Past the end it reads zeros and remembers it.
type cursor struct {
	data  []byte
	at    int
	short bool // something was missing
}

func (c *cursor) byte() byte {
	if c.at >= len(c.data) {
		c.short = true
		return 0
	}
	c.at++
	return c.data[c.at-1]
}

func (c *cursor) uint16() uint16 {
	high := c.byte()
	return uint16(high)<<8 | uint16(c.byte())
}
