package rtc

import (
	"encoding/binary"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/transport/v4/packetio"
)

// Bounds of what is buffered of one stream that comes in: chosen. Reports that nobody reads, as those on repetitions,
// fill a buffer up and stay there.
const (
	rtpBufferBytes  = 1 << 20
	rtcpBufferBytes = 16 << 10
)

// transportNumbers are all transport-wide sequence numbers as they are written, so that none has to be made room for.
type transportNumbers []byte

func newTransportNumbers() transportNumbers {
	numbers := make(transportNumbers, 0, 2<<16)
	for n := range 1 << 16 {
		numbers = binary.BigEndian.AppendUint16(numbers, uint16(n))
	}
	return numbers
}

func (n transportNumbers) of(sequence uint16) []byte { return n[2*int(sequence) : 2*int(sequence)+2] }

// rtpWriter is what an [Output] writes to.
type rtpWriter interface {
	WriteRTP(header *rtp.Header, payload []byte) (int, error)
}

// numberedWriter writes packets with their transport-wide sequence numbers
// (draft-holmer-rmcat-transport-wide-cc-extensions-01) while its connection has layers to choose between: the client's
// feedback on them costs time on both sides.
type numberedWriter struct {
	rtpWriter
	shaper *shaper
	id     uint8 // of the header extension
}

// WriteRTP implements [rtpWriter].
func (w *numberedWriter) WriteRTP(header *rtp.Header, payload []byte) (int, error) {
	if history := w.shaper.history.Load(); history != nil {
		sequence := history.Add(header.MarshalSize()+len(payload), time.Now())
		_ = header.SetExtension(w.id, w.shaper.numbers.of(sequence)) // ids above 14 do not fit and are left away
	}
	return w.rtpWriter.WriteRTP(header, payload)
}

// rtcpTap is the buffer of the RTCP on one SSRC of a connection that sends. What concerns the whole connection goes to
// its shaper at once, on whichever SSRC it comes: browsers write that of the last packet, which may be a repetition.
type rtcpTap struct {
	*packetio.Buffer
	ssrc   uint32
	shaper *shaper
}

// newBuffer is for one stream that comes in. There need not be a shaper.
func (s *shaper) newBuffer(kind packetio.BufferPacketType, ssrc uint32) packetBuffer {
	buffer := packetio.NewBuffer()
	if kind != packetio.RTCPBufferPacket {
		buffer.SetLimitSize(rtpBufferBytes)
		return buffer
	}
	buffer.SetLimitSize(rtcpBufferBytes)
	if s == nil {
		return buffer
	}
	return &rtcpTap{buffer, ssrc, s}
}

// Write implements io.Writer: Pion's read loop of the connection calls it with each compound packet.
func (t *rtcpTap) Write(compound []byte) (int, error) {
	eachFeedback(compound, func(raw []byte, header rtcp.Header) { t.hear(raw, header) })
	return t.Buffer.Write(compound)
}

// eachFeedback finds the feedback packets of a compound that concern the whole connection.
func eachFeedback(compound []byte, f func(raw []byte, header rtcp.Header)) {
	var header rtcp.Header
	for rest := compound; header.Unmarshal(rest) == nil; {
		size := 4 * (int(header.Length) + 1)
		if size > len(rest) {
			return
		}
		transport := header.Type == rtcp.TypeTransportSpecificFeedback && header.Count == rtcp.FormatTCC
		remb := header.Type == rtcp.TypePayloadSpecificFeedback && header.Count == rtcp.FormatREMB
		if transport || remb {
			f(rest[:size], header)
		}
		rest = rest[size:]
	}
}

func (t *rtcpTap) hear(raw []byte, header rtcp.Header) {
	if header.Count == rtcp.FormatREMB && header.Type == rtcp.TypePayloadSpecificFeedback {
		var remb rtcp.ReceiverEstimatedMaximumBitrate
		if remb.Unmarshal(raw) == nil && len(remb.SSRCs) > 0 && remb.SSRCs[0] == t.ssrc {
			t.shaper.remb(time.Now(), remb.Bitrate)
		}
		return
	}
	var feedback rtcp.TransportLayerCC
	if feedback.Unmarshal(raw) == nil && feedback.MediaSSRC == t.ssrc {
		t.shaper.feedback(time.Now(), &feedback)
	}
}
