package rtc

import (
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
	apt     string // RTX: the payload type that it repeats
}

func (f format) isRTX() bool { return strings.EqualFold(f.codec.MIME, webrtc.MimeTypeRTX) }

// withOneFormatEach leaves of an offer one format of each codec that can be forwarded, in the order of the offer, and
// its RTX. A browser offers two dozen, and what Pion does with them grows with their square. Of several profiles of one
// codec the server's favourite stays: the one that most receivers decode. Where the remote side only receives, all that it
// decodes stay: it may get whatever somebody else sends.
func withOneFormatEach(s *sdp.SessionDescription) {
	for _, m := range s.MediaDescriptions {
		kind := m.MediaName.Media
		if kind != "audio" && kind != "video" {
			continue
		}
		if sends, receives := direction(s, m); receives && !sends {
			keepFormats(m, decoded(kind, formatsOf(m)))
			continue
		}
		keepFormats(m, favourites(kind, formatsOf(m)))
	}
}

// decoded are the payload types of everything that can be forwarded.
func decoded(kind string, formats []format) []string {
	var kept []string
	for _, f := range formats {
		if rankOf(kind, f.codec) >= 0 {
			kept = append(kept, f.payload)
		}
	}
	return kept
}

// favourites are the payload types to keep; none when no format can be forwarded.
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
	for _, f := range formats {
		if f.isRTX() && slices.Contains(kept, f.apt) {
			kept = append(kept, f.payload)
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
		f.apt = f.codec.parameter("apt", "")
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
