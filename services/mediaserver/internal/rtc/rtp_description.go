package rtc

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtpsocket"
)

// maxRTPMedia bounds the m-lines of a description without ICE: chosen; one of each kind is used.
const maxRTPMedia = 32

// discardPort is what those write who do not know their own port yet (RFC 4145 section 4.1).
const discardPort = 9

// rtpMedia is one m-line of a description without ICE.
type rtpMedia struct {
	kind     string // as written
	protocol string
	port     int
	rejected bool
	address  netip.Addr     // of RTP; invalid: to where packets come from
	rtcp     netip.AddrPort // likewise
	mux      bool
	sends    bool
	receives bool
	nacks    bool // asks for lost packets
	formats  []format
	keys     []rtpKey
}

// rtpKey is a crypto attribute that can be used.
type rtpKey struct {
	tag string
	key rtpsocket.Key
}

// secure says whether packets are encrypted (RFC 3711 section 12, RFC 5124).
func (m *rtpMedia) secure() bool { return strings.HasPrefix(m.protocol, "RTP/SAVP") }

// known says whether the m-line is of plain RTP, encrypted or not, and can be used.
func (m *rtpMedia) known() bool {
	return !m.rejected && (m.kind == control.KindAudio || m.kind == control.KindVideo) &&
		slices.Contains([]string{"RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF"}, m.protocol)
}

// parseRTPDescription reads a description without ICE. Errors are [ErrSDP].
func parseRTPDescription(text string) ([]rtpMedia, error) {
	if len(text) > maxSDPBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrSDP, len(text), maxSDPBytes)
	}
	parsed := &sdp.SessionDescription{}
	if err := guarded("parse", func() error { return parsed.UnmarshalString(text) }); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSDP, err)
	}
	if n := len(parsed.MediaDescriptions); n == 0 || n > maxRTPMedia {
		return nil, fmt.Errorf("%w: %d m-lines, 1 to %d are allowed", ErrSDP, n, maxRTPMedia)
	}
	list := make([]rtpMedia, 0, len(parsed.MediaDescriptions))
	for _, m := range parsed.MediaDescriptions {
		media, err := newRTPMedia(parsed, m)
		if err != nil {
			return nil, err
		}
		list = append(list, media)
	}
	return list, nil
}

func newRTPMedia(s *sdp.SessionDescription, m *sdp.MediaDescription) (rtpMedia, error) {
	media := rtpMedia{
		kind: m.MediaName.Media, protocol: strings.Join(m.MediaName.Protos, "/"), port: m.MediaName.Port.Value,
	}
	media.rejected = media.port == 0
	media.sends, media.receives = direction(s, m)
	media.formats = rtpFormats(m)
	_, media.mux = m.Attribute("rtcp-mux")
	for _, a := range m.Attributes {
		switch a.Key {
		case "crypto":
			if tag, key, err := rtpsocket.ParseKey(a.Value); err == nil {
				media.keys = append(media.keys, rtpKey{tag, key})
			}
		case "rtcp-fb":
			_, feedback, _ := strings.Cut(a.Value, " ")
			media.nacks = media.nacks || strings.TrimSpace(feedback) == "nack"
		}
	}
	if media.port < 0 || media.port > 65535 {
		return media, fmt.Errorf("%w: port %d", ErrSDP, media.port)
	}
	if !media.rejected {
		media.locate(s, m)
	}
	return media, nil
}

// locate finds out where the remote side is (RFC 8866 section 5.7, RFC 3605). A side that does not know it itself, as
// behind a NAT, says so with the port 9, no address, or the attribute direction:active, and is answered where it sends
// from.
func (m *rtpMedia) locate(s *sdp.SessionDescription, d *sdp.MediaDescription) {
	at := d.ConnectionInformation
	if at == nil {
		at = s.ConnectionInformation
	}
	if at == nil || at.Address == nil {
		return
	}
	text, _, _ := strings.Cut(at.Address.Address, "/")
	address, err := netip.ParseAddr(text)
	if err != nil || address.IsUnspecified() || address.IsMulticast() || m.port == discardPort ||
		either(s, d, "direction") == "active" {
		return
	}
	m.address = address.Unmap().WithZone("")
	control := m.port + 1
	if port, found := d.Attribute("rtcp"); found {
		text, _, _ = strings.Cut(port, " ")
		if n, err := strconv.Atoi(text); err == nil {
			control = n
		}
	}
	if control > 0 && control <= 65535 {
		m.rtcp = netip.AddrPortFrom(m.address, uint16(control))
	}
}

func (m *rtpMedia) target() netip.AddrPort {
	if !m.address.IsValid() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(m.address, uint16(m.port))
}

// rtpFormats are the payload types, those of RFC 3551 without an rtpmap included.
func rtpFormats(m *sdp.MediaDescription) []format {
	formats := formatsOf(m)
	for i := range formats {
		for _, own := range codecsOf(m.MediaName.Media) {
			c := newCodec(own.RTPCodecCapability)
			known := formats[i].codec
			static := own.PayloadType < 35 && formats[i].payload == strconv.Itoa(int(own.PayloadType))
			switch {
			case known.ClockRate == 0 && static:
				formats[i].codec = c
			case strings.EqualFold(known.MIME, c.MIME):
				formats[i].codec.MIME, formats[i].codec.Channels = c.MIME, c.Channels
			}
		}
	}
	return formats
}

// choose is the format that the server likes best.
func (m *rtpMedia) choose() (chosen format, payload uint8, found bool) {
	best := -1
	for _, f := range m.formats {
		rank := rankOf(m.kind, f.codec)
		number, err := strconv.ParseUint(f.payload, 10, 7)
		if rank < 0 || err != nil || !plainRTP(f.codec) || best >= 0 && rank >= best {
			continue
		}
		best, chosen, payload = rank, f, uint8(number)
	}
	return chosen, payload, best >= 0
}

// plainRTP says whether a codec is of media itself, not of its repair.
func plainRTP(c Codec) bool {
	return !slices.ContainsFunc([]string{"audio/red", "video/rtx"}, func(mime string) bool {
		return strings.EqualFold(c.MIME, mime)
	})
}
