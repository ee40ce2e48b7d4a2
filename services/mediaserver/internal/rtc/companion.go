package rtc

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pion/webrtc/v4"
)

// Some formats are no codecs: they carry packets of one, which they name by its payload type. RTX (RFC 4588) carries
// video that was lost, RED (RFC 2198) Opus with earlier frames in each packet.

const mimeTypeRED = "audio/red"

// companionOf is the format that comes along with one of our own codecs.
func companionOf(c webrtc.RTPCodecParameters) (companion webrtc.RTPCodecParameters, found bool) {
	switch {
	case strings.HasPrefix(c.MimeType, "video/"):
		return rtxFor(c), true
	case c.MimeType == webrtc.MimeTypeOpus:
		// As browsers write it: the payload types of the earlier frame and of the present one.
		line := fmt.Sprintf("%d/%d", c.PayloadType, c.PayloadType)
		return codec(mimeTypeRED, c.ClockRate, c.Channels, line, 63), true
	default:
		return companion, false
	}
}

// rtxFor is the RTX of a codec: the even payload types have the next, as browsers do it, and the odd 127 has the one
// that is left.
func rtxFor(c webrtc.RTPCodecParameters) webrtc.RTPCodecParameters {
	payload := c.PayloadType + 1
	if c.PayloadType == 127 {
		payload = 125
	}
	rtx := codec(webrtc.MimeTypeRTX, c.ClockRate, 0, fmt.Sprintf("apt=%d", c.PayloadType), payload)
	rtx.RTCPFeedback = nil
	return rtx
}

// withCompanions is every codec of a kind that can be forwarded, each followed by what comes along with it.
func withCompanions(kind string) []webrtc.RTPCodecParameters {
	var list []webrtc.RTPCodecParameters
	for _, c := range codecsOf(kind) {
		list = append(list, c)
		if companion, found := companionOf(c); found {
			list = append(list, companion)
		}
	}
	return list
}

// carried is the payload type that a companion carries, "" for a codec.
func carried(mime, line string) string {
	switch {
	case strings.EqualFold(mime, webrtc.MimeTypeRTX):
		return Codec{Format: line}.parameter("apt", "")
	case strings.EqualFold(mime, mimeTypeRED):
		first, _, _ := strings.Cut(line, "/")
		return first
	default:
		return ""
	}
}

func isCompanion(mime string) bool {
	return strings.EqualFold(mime, webrtc.MimeTypeRTX) || strings.EqualFold(mime, mimeTypeRED)
}

// companionIn is the payload type of what carries a payload type in a list that was negotiated, 0 when nothing does.
func companionIn(list []webrtc.RTPCodecParameters, payload webrtc.PayloadType) webrtc.PayloadType {
	for _, c := range list {
		if isCompanion(c.MimeType) && carried(c.MimeType, c.SDPFmtpLine) == strconv.Itoa(int(payload)) {
			return c.PayloadType
		}
	}
	return 0
}

// firstCodec is the first of a list that is a codec.
func firstCodec(list []webrtc.RTPCodecParameters) (c webrtc.RTPCodecParameters, found bool) {
	for _, c := range list {
		if !isCompanion(c.MimeType) {
			return c, true
		}
	}
	return c, false
}
