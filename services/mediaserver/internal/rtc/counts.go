package rtc

import (
	"sync/atomic"
	"time"
)

// Counts are packets and bytes of RTP, and when the last one passed.
type Counts struct {
	Packets, Bytes uint64
	Last           time.Time // zero: none so far
}

type counter struct {
	packets, bytes atomic.Uint64
	last           atomic.Int64 // Unix nanoseconds
}

func (c *counter) count(size int, at time.Time) {
	c.packets.Add(1)
	c.bytes.Add(uint64(size))
	c.last.Store(at.UnixNano())
}

func (c *counter) counts() Counts {
	counts := Counts{Packets: c.packets.Load(), Bytes: c.bytes.Load()}
	if last := c.last.Load(); last != 0 {
		counts.Last = time.Unix(0, last)
	}
	return counts
}

// StreamStats is what is counted of one RTP stream.
type StreamStats struct {
	SSRC uint32 // 0: there was no packet yet
	Counts
	NACKs uint64 // requests for lost packets: asked for of an incoming stream, received for an outgoing one
	PLIs  uint64 // requests for a keyframe, likewise
	FIRs  uint64 // those of the older kind (RFC 5104 section 4.3.1)

	Lost         int64         // packets: counted here of an incoming stream, reported of an outgoing one
	FractionLost float64       // share of all packets of an incoming stream, of the latest of an outgoing one
	Jitter       time.Duration // between packets
	RoundTrip    time.Duration // of an outgoing stream; 0: not known
	REMB         uint64        // bits/s that the receiver of an outgoing stream allows; 0: it did not say
}

type feedbackCounter struct {
	nacks     atomic.Uint64
	keyframes atomic.Uint64 // PLIs
	firs      atomic.Uint64
}

func (c *feedbackCounter) stats(ssrc uint32, packets *counter) StreamStats {
	return StreamStats{
		SSRC: ssrc, Counts: packets.counts(), NACKs: c.nacks.Load(), PLIs: c.keyframes.Load(), FIRs: c.firs.Load(),
	}
}
