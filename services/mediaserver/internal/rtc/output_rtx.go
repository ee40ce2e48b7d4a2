package rtc

import (
	"encoding/binary"
	"sync"

	"github.com/pion/rtp"
)

// repeating is the output for packets that o lost, by RTX (RFC 4588): on a stream of their own, so that the receiver
// does not take them for packets that are late, which would spoil its estimates of jitter and loss.
func (o *Output) repeating(payloadType uint8, ssrc uint32, writer rtpWriter) *Output {
	again := *o
	again.PayloadType, again.SSRC, again.Writer = payloadType, ssrc, &rtxWriter{writer: writer}
	return &again
}

// rtxWriter packs what it is given as RTX (RFC 4588 section 4): the packet's own number moves into the payload.
type rtxWriter struct {
	writer rtpWriter

	mu      sync.Mutex // guards what follows
	number  uint16     // of the last packet
	scratch []byte
}

// WriteRTP implements the writer of an [Output].
func (w *rtxWriter) WriteRTP(header *rtp.Header, payload []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.scratch = binary.BigEndian.AppendUint16(w.scratch[:0], header.SequenceNumber)
	w.scratch = append(w.scratch, payload...)
	w.number++
	header.SequenceNumber = w.number
	return w.writer.WriteRTP(header, w.scratch)
}
