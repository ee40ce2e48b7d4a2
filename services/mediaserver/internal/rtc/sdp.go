package rtc

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/control"
)

// Bounds of a description from outside.
const (
	maxSDPBytes = 128 << 10 // HTTP API contract
	maxMedia    = 1024      // m-lines; a publisher has fewer, see package media
)

// Description is a checked session description (RFC 8866) of the remote side.
type Description struct {
	SessionID string // of the o= line: another one means another peer connection
	Media     []Media
	parsed    *sdp.SessionDescription
	ufrags    []string
}

// Media is one m-line.
type Media struct {
	MID      string
	Kind     string // audio, video or data
	Rejected bool   // port 0 without bundle-only (RFC 9143 section 6)
	Sends    bool
	Receives bool
	Stream   string   // msid (RFC 8830), "" when there is none
	Layers   []string // RIDs of what is sent at once (RFC 8853), in the sender's order; nil: there is one encoding
}

// ParseDescription checks everything that Pion needs, because a description that Pion gives up on half-way leaves its
// connection unusable. Errors are [ErrSDP].
func ParseDescription(text string) (*Description, error) {
	if len(text) > maxSDPBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrSDP, len(text), maxSDPBytes)
	}
	parsed := &sdp.SessionDescription{}
	if err := guarded("parse", func() error { return parsed.UnmarshalString(text) }); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSDP, err)
	}
	if n := len(parsed.MediaDescriptions); n == 0 || n > maxMedia {
		return nil, fmt.Errorf("%w: %d m-lines, 1 to %d are allowed", ErrSDP, n, maxMedia)
	}
	d := &Description{
		SessionID: fmt.Sprintf("%s %d", parsed.Origin.Username, parsed.Origin.SessionID), parsed: parsed,
	}
	for _, m := range parsed.MediaDescriptions {
		if err := d.addMedia(parsed, m); err != nil {
			return nil, err
		}
	}
	if d.activeMedia() == 0 {
		return nil, fmt.Errorf("%w: every m-line is rejected", ErrSDP)
	}
	return d, nil
}

func (d *Description) activeMedia() int {
	active := 0
	for _, m := range d.Media {
		if !m.Rejected {
			active++
		}
	}
	return active
}

func (d *Description) addMedia(s *sdp.SessionDescription, m *sdp.MediaDescription) error {
	media := Media{Kind: m.MediaName.Media}
	switch media.Kind {
	case control.KindAudio, control.KindVideo:
	case "application":
		media.Kind = control.KindData
	default:
		return fmt.Errorf("%w: m-line of type %q", ErrSDP, media.Kind)
	}
	media.MID, _ = m.Attribute("mid")
	if media.MID == "" || slices.ContainsFunc(d.Media, func(o Media) bool { return o.MID == media.MID }) {
		return fmt.Errorf("%w: every m-line needs a mid of its own", ErrSDP)
	}
	_, bundleOnly := m.Attribute("bundle-only")
	media.Rejected = m.MediaName.Port.Value == 0 && !bundleOnly
	media.Sends, media.Receives = direction(s, m)
	media.Stream = streamOf(m)
	media.Layers = layersOf(m)
	d.Media = append(d.Media, media)
	if media.Rejected {
		return nil
	}
	return d.addTransport(s, m)
}

// addTransport checks ICE credentials (RFC 8839 section 5.4) and the fingerprint (RFC 8122 section 5).
func (d *Description) addTransport(s *sdp.SessionDescription, m *sdp.MediaDescription) error {
	ufrag, password := either(s, m, "ice-ufrag"), either(s, m, "ice-pwd")
	if len(ufrag) < 4 || len(ufrag) > 256 || len(password) < 22 || len(password) > 256 {
		return fmt.Errorf("%w: ICE credentials are missing or of a wrong length", ErrSDP)
	}
	if !slices.Contains(d.ufrags, ufrag) {
		d.ufrags = append(d.ufrags, ufrag)
	}
	if hash, value, _ := strings.Cut(either(s, m, "fingerprint"), " "); hash == "" || value == "" {
		return fmt.Errorf("%w: a fingerprint is missing", ErrSDP)
	}
	for _, a := range m.Attributes {
		if a.Key != "candidate" {
			continue
		}
		if err := CheckCandidate(control.Candidate{Candidate: a.Value}); err != nil {
			return fmt.Errorf("%w: %w", ErrSDP, err)
		}
	}
	return nil
}

// layers are the RIDs of an m-line.
func (d *Description) layers(mid string) []string {
	for _, m := range d.Media {
		if m.MID == mid {
			return m.Layers
		}
	}
	return nil
}

// fits checks that d can be the answer to offer: the same m-lines in the same order (RFC 3264 section 6).
func (d *Description) fits(offer *Description) error {
	if len(d.Media) != len(offer.Media) {
		return fmt.Errorf("%w: the answer has %d m-lines, the offer %d", ErrSDP, len(d.Media), len(offer.Media))
	}
	for i, m := range d.Media {
		if m.MID != offer.Media[i].MID || m.Kind != offer.Media[i].Kind {
			return fmt.Errorf("%w: m-line %d of the answer is not that of the offer", ErrSDP, i)
		}
	}
	return nil
}

func either(s *sdp.SessionDescription, m *sdp.MediaDescription, key string) string {
	if value, found := m.Attribute(key); found {
		return value
	}
	value, _ := s.Attribute(key)
	return value
}

func direction(s *sdp.SessionDescription, m *sdp.MediaDescription) (sends, receives bool) {
	for _, attributes := range [][]sdp.Attribute{m.Attributes, s.Attributes} {
		for _, a := range attributes {
			switch a.Key {
			case sdp.AttrKeySendRecv:
				return true, true
			case sdp.AttrKeySendOnly:
				return true, false
			case sdp.AttrKeyRecvOnly:
				return false, true
			case sdp.AttrKeyInactive:
				return false, false
			}
		}
	}
	return true, true // RFC 8866 section 6.7
}

// streamOf is the first msid's stream id; older clients write it with the SSRC (RFC 5576).
func streamOf(m *sdp.MediaDescription) string {
	for _, a := range m.Attributes {
		value := a.Value
		if a.Key == "ssrc" {
			_, rest, _ := strings.Cut(value, " ")
			var found bool
			if value, found = strings.CutPrefix(rest, "msid:"); !found {
				continue
			}
		} else if a.Key != "msid" {
			continue
		}
		stream, _, _ := strings.Cut(strings.TrimSpace(value), " ")
		if stream != "" {
			return stream
		}
	}
	return ""
}

// text is what Pion gets of an offer or answer: what it needs and no more.
func (d *Description) text(kind webrtc.SDPType) (string, error) {
	if kind == webrtc.SDPTypeOffer {
		withKnownLayers(d.parsed)
		withOneFormatEach(d.parsed)
	}
	text, err := d.parsed.Marshal()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrSDP, err)
	}
	return string(text), nil
}

// WithoutCandidates is a description without its candidates, for those who trickle them.
func WithoutCandidates(text string) string {
	return withoutLines(text, "a=candidate:", "a=end-of-candidates")
}

func withoutLines(text string, prefixes ...string) string {
	var kept strings.Builder
	for line := range strings.SplitAfterSeq(text, "\n") {
		if !slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(line, prefix) }) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}
