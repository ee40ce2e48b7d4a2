package rtc

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

// format is one payload type of an m-line.
type format struct {
	payload string
	codec   Codec
	carries string // the payload type that a companion carries
}

// withOneFormatEach leaves of an offer one format of each codec that can be forwarded, in the order of the offer, and
// what comes along with it. A browser offers two dozen, and what Pion does with them grows with their square. Of
// several profiles of one codec the server's favourite stays: the one that most receivers decode. Where the remote side
// only receives, all that it decodes stay: it may get whatever somebody else sends.
func withOneFormatEach(s *sdp.SessionDescription) {
	for _, m := range s.MediaDescriptions {
		kind := m.MediaName.Media
		if kind != "audio" && kind != "video" {
			continue
		}
		formats := formatsOf(m)
		codecs := favourites(kind, formats)
		if sends, receives := direction(s, m); receives && !sends {
			codecs = decoded(kind, formats)
		}
		keepFormats(m, accompanied(formats, codecs))
	}
}

// accompanied are the given payload types of codecs and of what comes along with them, in the order of the formats: a
// sender takes what the answer names first, be it a codec or redundant audio.
func accompanied(formats []format, codecs []string) []string {
	var kept []string
	for _, f := range formats {
		if slices.Contains(codecs, f.payload) || f.carries != "" && slices.Contains(codecs, f.carries) {
			kept = append(kept, f.payload)
		}
	}
	return kept
}

// decoded are the payload types of every codec that can be forwarded.
func decoded(kind string, formats []format) []string {
	var kept []string
	for _, f := range formats {
		if rankOf(kind, f.codec) >= 0 {
			kept = append(kept, f.payload)
		}
	}
	return kept
}

// favourites are the payload types of the codecs to keep; none when no format can be forwarded.
func favourites(kind string, formats []format) []string {
	best := map[string]int{} // by MIME type: rank among the server's own formats
	ranks := make([]int, len(formats))
	for i, f := range formats {
		ranks[i] = rankOf(kind, f.codec)
		name := strings.ToLower(f.codec.MIME)
		if before, found := best[name]; ranks[i] >= 0 && (!found || ranks[i] < before) {
			best[name] = ranks[i]
		}
	}
	var kept []string
	for i, f := range formats {
		name := strings.ToLower(f.codec.MIME)
		if rank, found := best[name]; found && rank == ranks[i] {
			kept = append(kept, f.payload)
			delete(best, name)
		}
	}
	return kept
}

// rankOf is the place of a codec among those that can be forwarded, -1 for another one.
func rankOf(kind string, c Codec) int {
	return slices.IndexFunc(codecsOf(kind), func(own webrtc.RTPCodecParameters) bool {
		return newCodec(own.RTPCodecCapability).matches(c)
	})
}

// formatsOf reads rtpmap and fmtp (RFC 8866 sections 6.6 and 6.15) of the payload types of an m-line.
func formatsOf(m *sdp.MediaDescription) []format {
	maps, lines := map[string]string{}, map[string]string{}
	for _, a := range m.Attributes {
		payload, rest, _ := strings.Cut(a.Value, " ")
		switch a.Key {
		case "rtpmap":
			maps[payload] = rest
		case "fmtp":
			lines[payload] = rest
		}
	}
	formats := make([]format, 0, len(m.MediaName.Formats))
	for _, payload := range m.MediaName.Formats {
		name, rest, _ := strings.Cut(strings.TrimSpace(maps[payload]), "/")
		clockText, _, _ := strings.Cut(rest, "/")
		clock, _ := strconv.ParseUint(clockText, 10, 32) // 0 matches nothing
		f := format{payload: payload, codec: Codec{
			MIME: m.MediaName.Media + "/" + name, ClockRate: uint32(clock), Format: lines[payload],
		}}
		f.carries = carried(f.codec.MIME, f.codec.Format)
		formats = append(formats, f)
	}
	return formats
}

// keepFormats drops all other payload types and what is said about them. Without any the m-line stays as it is, to be
// rejected.
func keepFormats(m *sdp.MediaDescription, kept []string) {
	if len(kept) == 0 {
		return
	}
	m.MediaName.Formats = kept
	m.Attributes = slices.DeleteFunc(m.Attributes, func(a sdp.Attribute) bool {
		if a.Key != "rtpmap" && a.Key != "fmtp" && a.Key != "rtcp-fb" {
			return false
		}
		payload, _, _ := strings.Cut(a.Value, " ")
		return payload != "*" && !slices.Contains(kept, payload)
	})
}

// formatsOf is what the remote side takes on the m-line of a mid, nothing when it rejected it.
func (d *Description) formatsOf(mid string) []webrtc.RTPCodecParameters {
	at := slices.IndexFunc(d.Media, func(m Media) bool { return m.MID == mid })
	if at < 0 || d.Media[at].Rejected {
		return nil
	}
	var list []webrtc.RTPCodecParameters
	for _, f := range formatsOf(d.parsed.MediaDescriptions[at]) {
		if payload, err := strconv.ParseUint(f.payload, 10, 7); err == nil {
			list = append(list, webrtc.RTPCodecParameters{
				RTPCodecCapability: webrtc.RTPCodecCapability{
					MimeType: f.codec.MIME, ClockRate: f.codec.ClockRate, SDPFmtpLine: f.codec.Format,
				},
				PayloadType: webrtc.PayloadType(payload),
			})
		}
	}
	return list
}

// taken is what can be sent on an m-line. An answer that takes it with nothing of what was offered is one of a Pion
// client: it names the codecs that the m-line had when it was first used, and decodes what is sent.
func taken(offered, answered []webrtc.RTPCodecParameters) []webrtc.RTPCodecParameters {
	sensible := slices.ContainsFunc(offered, func(c webrtc.RTPCodecParameters) bool {
		_, found := newCodec(c.RTPCodecCapability).find(answered)
		return found && !isCompanion(c.MimeType)
	})
	if len(answered) == 0 || sensible {
		return answered
	}
	return offered
}

// withEveryFormat makes the first m-line of a kind in an answer say that it takes every codec that can be forwarded,
// and reports whether there is one. A Pion connection can later use only the codecs that it found there, and a client
// may name one alone (as Firefox does), or reject the m-line. What it takes in truth is known from formatsOf. One
// format of each codec is enough for Pion, whose work grows with the square of their number.
func (d *Description) withEveryFormat(kind string) bool {
	at := slices.IndexFunc(d.Media, func(m Media) bool { return m.Kind == kind })
	if at < 0 {
		return false
	}
	m := d.parsed.MediaDescriptions[at]
	m.MediaName.Formats = nil
	m.Attributes = slices.DeleteFunc(m.Attributes, func(a sdp.Attribute) bool {
		return a.Key == "rtpmap" || a.Key == "fmtp" || a.Key == "rtcp-fb"
	})
	known := map[string]bool{}
	for _, c := range withCompanions(kind) {
		_, name, _ := strings.Cut(c.MimeType, "/")
		if known[name] {
			continue
		}
		known[name] = true
		m.WithCodec(uint8(c.PayloadType), name, c.ClockRate, c.Channels, c.SDPFmtpLine)
		for _, f := range c.RTCPFeedback {
			m.WithValueAttribute("rtcp-fb", strings.TrimSpace(fmt.Sprintf("%d %s %s", c.PayloadType, f.Type, f.Parameter)))
		}
	}
	return true
}

// mixed says whether the remote side takes header extensions of both forms on one stream (RFC 8285 section 6).
func (d *Description) mixed() bool {
	_, found := d.parsed.Attribute(sdp.AttrKeyExtMapAllowMixed)
	return found
}

// withMixed says in an offer that this side takes header extensions of both forms.
func withMixed(text string) string {
	const line = "a=" + sdp.AttrKeyExtMapAllowMixed + "\r\n"
	if strings.Contains(text, line) {
		return text
	}
	return strings.Replace(text, "m=", line+"m=", 1)
}
