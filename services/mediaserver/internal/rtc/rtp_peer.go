package rtc

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtpsocket"
)

// ErrNoMedia says that nothing of a description can be used.
var ErrNoMedia = errors.New("no media in common")

// RTPConfig are the settings of an [RTPPeer].
type RTPConfig struct {
	Key          *rtpsocket.Key // of what goes out; nil: a random one if the remote side wants encryption
	IPv6         bool
	Audio, Video int // bandwidth that the remote side may use, in kbit/s; 0: no limit
}

// RTPPeer is one negotiation over RTP without ICE: the RtpEndpoint of the Kurento Protocol. At most one audio and one
// video stream go each way, each over ports of its own. Its methods are called by one goroutine at a time.
type RTPPeer struct {
	engine  *Engine
	media   DuplexMedia
	cfg     RTPConfig
	told    netip.Addr // our address in descriptions
	offered []*rtpLine // by the m-lines of our offer, until it is answered
	lines   []*rtpLine // in use
}

// NewRTPPeer makes a peer that waits for its negotiation.
func (e *Engine) NewRTPPeer(media DuplexMedia, cfg RTPConfig) (*RTPPeer, error) {
	_, told, err := e.rtpAddresses(cfg.IPv6)
	if err != nil {
		return nil, err
	}
	return &RTPPeer{engine: e, media: media, cfg: cfg, told: told}, nil
}

// Answer answers an offer and begins to send and receive. Errors are [ErrSDP], [ErrNoMedia], or of the network; the
// peer is to be closed then.
func (p *RTPPeer) Answer(offer string) (string, error) {
	list, err := parseRTPDescription(offer)
	if err != nil {
		return "", err
	}
	var text rtpText
	text.begin(randomNumber()>>1, p.told)
	for _, m := range list {
		line, err := p.answerMedia(&m)
		if err != nil {
			return "", err
		}
		if line == nil {
			text.reject(&m)
			continue
		}
		text.media(*line)
	}
	if len(p.lines) == 0 {
		return "", ErrNoMedia
	}
	return text.String(), nil
}

// answerMedia begins to use an m-line, nil: it cannot be used.
func (p *RTPPeer) answerMedia(m *rtpMedia) (*rtpLineText, error) {
	chosen, payload, common := m.choose()
	used := slices.ContainsFunc(p.lines, func(l *rtpLine) bool { return l.kind == m.kind })
	if !m.known() || !common || used {
		return nil, nil
	}
	tag, keys, agreed := p.agree(m)
	if !agreed {
		return nil, nil
	}
	line, err := p.engine.newRTPLine(m.kind, p.media, p.cfg.IPv6)
	if err != nil {
		return nil, err
	}
	p.lines = append(p.lines, line)
	if err := p.begin(line, m, keys, chosen.codec, payload); err != nil {
		return nil, err
	}
	text := p.describe(line, m.protocol, []format{chosen})
	text.mux, text.passive, text.direction = m.mux, !m.address.IsValid(), mirrored(m)
	if keys.Outbound != nil {
		text.crypto = keys.Outbound.Attribute(tag)
	}
	return &text, nil
}

// begin starts a line with what was negotiated.
func (p *RTPPeer) begin(l *rtpLine, m *rtpMedia, keys rtpsocket.Remote, codec Codec, payload uint8) error {
	if m.address.IsValid() && m.address.Is6() != p.cfg.IPv6 {
		return fmt.Errorf("%w: the address %s is of another IP version than this endpoint", ErrSDP, m.address)
	}
	remote := keys
	remote.RTP, remote.RTCP, remote.Mux, remote.PayloadType = m.target(), m.rtcp, m.mux, payload
	return l.start(remote, m, codec)
}

// agree finds the keys of an offered m-line. A peer that has a key of its own does not speak in the clear.
func (p *RTPPeer) agree(m *rtpMedia) (tag string, keys rtpsocket.Remote, agreed bool) {
	if !m.secure() {
		return "", keys, p.cfg.Key == nil
	}
	for _, offered := range m.keys {
		own := p.cfg.Key
		if own == nil {
			random := rtpsocket.NewKey(offered.key.Suite)
			own = &random
		}
		if own.Suite == offered.key.Suite {
			return offered.tag, rtpsocket.Remote{Inbound: &offered.key, Outbound: own}, true
		}
	}
	return "", keys, false
}

func (p *RTPPeer) describe(l *rtpLine, protocol string, formats []format) rtpLineText {
	bandwidth := p.cfg.Audio
	if l.kind == control.KindVideo {
		bandwidth = p.cfg.Video
	}
	return rtpLineText{
		kind: l.kind, protocol: protocol, port: l.socket.Port(), ssrc: l.ssrc, formats: formats, bandwidth: bandwidth,
		feedback: l.kind == control.KindVideo && protocol[len(protocol)-1] == 'F',
	}
}

// mirrored is the direction of an answer (RFC 3264 section 6.1).
func mirrored(m *rtpMedia) string {
	switch {
	case m.sends && m.receives:
		return "sendrecv"
	case m.sends:
		return "recvonly"
	case m.receives:
		return "sendonly"
	default:
		return "inactive"
	}
}

// Offer makes an offer with an m-line for each of kinds. It is encrypted if the peer has a key.
func (p *RTPPeer) Offer(kinds []string) (string, error) {
	var text rtpText
	text.begin(randomNumber()>>1, p.told)
	for _, kind := range kinds {
		line, err := p.engine.newRTPLine(kind, p.media, p.cfg.IPv6)
		if err != nil {
			return "", err
		}
		p.offered = append(p.offered, line)
		protocol := "RTP/AVPF"
		if p.cfg.Key != nil {
			protocol = "RTP/SAVPF"
		}
		described := p.describe(line, protocol, ownFormats(kind))
		described.mux, described.direction = true, "sendrecv"
		if p.cfg.Key != nil {
			described.crypto = p.cfg.Key.Attribute("1")
		}
		text.media(described)
	}
	return text.String(), nil
}

// Accept takes the answer to the offer and begins to send and receive. Errors are as those of Answer; the offer stands
// then and another answer may be tried.
func (p *RTPPeer) Accept(answer string) error {
	list, err := parseRTPDescription(answer)
	if err != nil {
		return err
	}
	plans, err := p.plan(list)
	if err != nil {
		return err
	}
	for _, plan := range plans {
		if err := p.begin(plan.line, plan.media, plan.keys, plan.codec, plan.payload); err != nil {
			return err
		}
		p.lines = append(p.lines, plan.line)
	}
	for _, line := range p.offered {
		if !slices.Contains(p.lines, line) {
			line.close()
		}
	}
	p.offered = nil
	return nil
}

// acceptance is what an answer makes of an offered line.
type acceptance struct {
	line    *rtpLine
	media   *rtpMedia
	keys    rtpsocket.Remote
	codec   Codec
	payload uint8
}

// plan checks an answer as a whole before anything of it is put into effect.
func (p *RTPPeer) plan(list []rtpMedia) ([]acceptance, error) {
	if len(list) != len(p.offered) {
		return nil, fmt.Errorf("%w: the answer has %d m-lines, the offer %d", ErrSDP, len(list), len(p.offered))
	}
	var plans []acceptance
	for i := range list {
		m, line := &list[i], p.offered[i]
		if m.rejected {
			continue
		}
		chosen, payload, common := m.choose()
		if m.kind != line.kind || !m.known() || m.secure() != (p.cfg.Key != nil) || !common {
			return nil, fmt.Errorf("%w: m-line %d of the answer is not that of the offer", ErrSDP, i)
		}
		if m.address.IsValid() && m.address.Is6() != p.cfg.IPv6 {
			return nil, fmt.Errorf("%w: the address %s is of another IP version than the offer", ErrSDP, m.address)
		}
		plan := acceptance{line: line, media: m, codec: chosen.codec, payload: payload}
		if p.cfg.Key != nil {
			if len(m.keys) != 1 || m.keys[0].key.Suite != p.cfg.Key.Suite {
				return nil, fmt.Errorf("%w: the answer needs one key of the suite %s", ErrSDP, p.cfg.Key.Suite)
			}
			plan.keys = rtpsocket.Remote{Inbound: &m.keys[0].key, Outbound: p.cfg.Key}
		}
		plans = append(plans, plan)
	}
	if len(plans) == 0 {
		return nil, ErrNoMedia
	}
	return plans, nil
}

// Close ends everything and returns when nothing runs for it any more.
func (p *RTPPeer) Close() {
	for _, line := range p.lines {
		line.close()
	}
	for _, line := range p.offered {
		if !slices.Contains(p.lines, line) {
			line.close()
		}
	}
	p.offered, p.lines = nil, nil
}

// randomNumber is for names that nobody else may have chosen.
func randomNumber() uint64 {
	var raw [8]byte
	_, _ = rand.Read(raw[:]) // never fails
	return binary.NativeEndian.Uint64(raw[:])
}
