package rtc

import (
	"fmt"
	"strings"

	"github.com/pion/rtcp"

	"github.com/orkestro/orkestro/pkg/control"
)

// audioAllowance is what a limit of the video leaves to audio, in kbit/s: chosen; senders count both together.
const audioAllowance = 64

// LimitSender tells the remote side how much video it may send, in kbit/s (draft-alvestrand-rmcat-remb-03). It is
// believed for a few seconds only, so it is to be said again.
func (p *DuplexPeer) LimitSender(video int) {
	source := p.media.Sources[control.KindVideo]
	ssrc := source.Stats().SSRC
	if ssrc == 0 {
		return
	}
	// A failure means that the connection is closing.
	_ = p.writeRTCP([]rtcp.Packet{&rtcp.ReceiverEstimatedMaximumBitrate{
		Bitrate: float32(video+audioAllowance) * 1000, SSRCs: []uint32{ssrc},
	}})
}

// WithBandwidth writes into a description how much may be sent to us, in kbit/s (RFC 8866 section 5.8); 0: no limit.
func WithBandwidth(text string, audio, video int) string {
	limits := map[string]int{"m=audio": audio, "m=video": video}
	var out strings.Builder
	kind := ""
	for line := range strings.SplitAfterSeq(text, "\n") {
		out.WriteString(line)
		if strings.HasPrefix(line, "m=") {
			kind, _, _ = strings.Cut(line, " ")
		}
		if limit := limits[kind]; limit > 0 && strings.HasPrefix(line, "c=") {
			fmt.Fprintf(&out, "b=AS:%d\r\n", limit)
		}
	}
	return out.String()
}
