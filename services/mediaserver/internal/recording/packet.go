package recording

import (
	"sync"
	"time"

	"github.com/pion/rtp"
)

// maxPacketBytes is the largest payload that is taken: more than an Ethernet frame holds.
const maxPacketBytes = 1500

// packet is a copy of an RTP packet of one track, on its way to the goroutine that writes.
type packet struct {
	at        time.Time
	codec     string
	sequence  uint16
	timestamp uint32
	marker    bool
	payload   []byte
}

// packets are reused.
type packets struct{ pool sync.Pool }

func newPackets() *packets {
	return &packets{sync.Pool{New: func() any { return &packet{payload: make([]byte, 0, maxPacketBytes)} }}}
}

func (p *packets) take(codec string, h *rtp.Header, payload []byte, at time.Time) *packet {
	c := p.pool.Get().(*packet)
	*c = packet{
		at: at, codec: codec, sequence: h.SequenceNumber, timestamp: h.Timestamp, marker: h.Marker,
		payload: append(c.payload[:0], payload...),
	}
	return c
}

func (p *packets) free(c *packet) { p.pool.Put(c) }
