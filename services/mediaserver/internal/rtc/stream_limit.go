package rtc

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/transport/v4/packetio"
)

// Bounds of the streams that one client makes its connection remember: chosen; 64 videos of four layers with their RTX,
// and reports on twice what the largest description has. Without them, one packet with its SSRC each would fill the
// memory, because Pion keeps every one it has seen.
const (
	maxIncoming = 512
	maxReported = 4 * maxMedia
)

// streamLimit counts the streams of one connection. Its methods may be called by any goroutine.
type streamLimit struct {
	shaper     *shaper // nil: it only receives
	overflow   func()  // called once, on a goroutine of Pion that must not wait, when there are too many
	rtp, rtcp  atomic.Int32
	overflowed sync.Once
}

// packetBuffer is what Pion needs for one stream.
type packetBuffer interface {
	io.ReadWriteCloser
	SetReadDeadline(time.Time) error
}

// buffer is Pion's BufferFactory: it is called for each new stream.
func (l *streamLimit) buffer(kind packetio.BufferPacketType, ssrc uint32) io.ReadWriteCloser {
	open, limit := &l.rtp, int32(maxIncoming)
	if kind == packetio.RTCPBufferPacket {
		open, limit = &l.rtcp, maxReported
	}
	if open.Add(1) > limit {
		l.overflowed.Do(l.overflow)
	}
	return &counted{packetBuffer: l.shaper.newBuffer(kind, ssrc), open: open}
}

// counted is the buffer of a stream that counts until it is closed.
type counted struct {
	packetBuffer
	open   *atomic.Int32
	closed atomic.Bool
}

// Close implements io.Closer.
func (c *counted) Close() error {
	if !c.closed.Swap(true) {
		c.open.Add(-1)
	}
	return c.packetBuffer.Close()
}
