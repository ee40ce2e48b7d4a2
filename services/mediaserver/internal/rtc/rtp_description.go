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

// rtpText writes a description without ICE.
type rtpText struct{ strings.Builder }

func (t *rtpText) line(format string, values ...any) {
	t.WriteString(fmt.Sprintf(format, values...) + "\r\n")
}

// begin writes the session's part.
func (t *rtpText) begin(id uint64, address netip.Addr) {
	family := "IP4"
	if address.Is6() {
		family = "IP6"
	}
	t.line("v=0")
	t.line("o=- %d 1 IN %s %s", id, family, address)
	t.line("s=Orkestro")
	t.line("c=IN %s %s", family, address)
	t.line("t=0 0")
}

// reject writes an m-line that is not used.
func (t *rtpText) reject(m *rtpMedia) {
	formats := "0"
	if len(m.formats) > 0 {
		formats = m.formats[0].payload
	}
	t.line("m=%s 0 %s %s", m.kind, m.protocol, formats)
}

// rtpLineText is what is written about one m-line of ours.
type rtpLineText struct {
	kind, protocol string
	port           int
	mux, passive   bool
	direction      string
	bandwidth      int // kbit/s; 0: no limit
	crypto         string
	ssrc           uint32
	formats        []format
	feedback       bool
}

func (t *rtpText) media(l rtpLineText) {
	payloads := make([]string, 0, len(l.formats))
	for _, f := range l.formats {
		payloads = append(payloads, f.payload)
	}
	t.line("m=%s %d %s %s", l.kind, l.port, l.protocol, strings.Join(payloads, " "))
	if l.bandwidth > 0 {
		t.line("b=AS:%d", l.bandwidth)
	}
	for _, f := range l.formats {
		t.format(f, l.feedback)
	}
	if l.mux {
		t.line("a=rtcp-mux")
	}
	t.line("a=rtcp:%d", l.port+1)
	if l.crypto != "" {
		t.line("a=crypto:%s", l.crypto)
	}
	if l.passive {
		t.line("a=direction:passive")
	}
	t.line("a=%s", l.direction)
	t.line("a=ssrc:%d cname:%s", l.ssrc, rtpCNAME)
}

func (t *rtpText) format(f format, feedback bool) {
	_, name, _ := strings.Cut(f.codec.MIME, "/")
	channels := ""
	if f.codec.Channels > 1 {
		channels = "/" + strconv.Itoa(int(f.codec.Channels))
	}
	t.line("a=rtpmap:%s %s/%d%s", f.payload, name, f.codec.ClockRate, channels)
	if f.codec.Format != "" {
		t.line("a=fmtp:%s %s", f.payload, f.codec.Format)
	}
	if feedback {
		for _, message := range []string{"nack", "nack pli", "ccm fir"} {
			t.line("a=rtcp-fb:%s %s", f.payload, message)
		}
	}
}

// rtpAddresses are where ports of their own are opened, and what is told about it.
func (e *Engine) rtpAddresses(ipv6 bool) (bind, told netip.Addr, err error) {
	fits := func(a netip.Addr) bool { return a.Is6() == ipv6 }
	host, _, err := splitAddress(e.rtp.network.UDPAddress)
	if err != nil {
		return bind, told, err
	}
	bind = netip.IPv4Unspecified()
	if ipv6 {
		bind = netip.IPv6Unspecified()
	}
	switch {
	case host.IsValid() && !host.IsUnspecified() && fits(host):
		bind, told = host, host
	default:
		told = e.interfaceAddress(fits)
		if len(e.rtp.network.Interfaces) > 0 {
			bind = told
		}
	}
	for _, public := range e.rtp.network.PublicIPs {
		if a, err := netip.ParseAddr(public); err == nil && fits(a) {
			return bind, a, nil
		}
	}
	if !told.IsValid() {
		return bind, told, errNoAddress
	}
	return bind, told, nil
}

// interfaceAddress is the first address that fits, one of the loopback interface only if there is no other.
func (e *Engine) interfaceAddress(fits func(netip.Addr) bool) netip.Addr {
	cfg := e.rtp.network
	cfg.Loopback = true
	addresses, _ := interfaceAddresses(cfg) // none is dealt with below
	var loopback netip.Addr
	for _, a := range addresses {
		switch {
		case !fits(a):
		case !a.IsLoopback():
			return a
		default:
			loopback = a
		}
	}
	return loopback
}

// rtpNetwork is what the sockets of [RTPPeer] need.
type rtpNetwork struct {
	ports   *rtpsocket.Ports
	network NetworkConfig
}

func newRTPNetwork(cfg NetworkConfig) (rtpNetwork, error) {
	ports, err := rtpsocket.ParsePorts(cfg.RTPPorts)
	if err != nil {
		return rtpNetwork{}, fmt.Errorf("ports of RTP: %w", err)
	}
	return rtpNetwork{ports, cfg}, nil
}
