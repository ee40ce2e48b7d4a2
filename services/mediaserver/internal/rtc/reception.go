package rtc

import (
	"math"
	"sync/atomic"
	"time"
)

// reception counts what came of one RTP stream, as receivers report it (RFC 3550 sections 6.4.1 and A.8). One goroutine
// calls arrived; the others may be called by any.
type reception struct {
	ssrc     atomic.Uint32
	base     atomic.Uint64 // first sequence number, extended
	highest  atomic.Uint64
	received atomic.Uint64
	jitter   atomic.Uint64 // bits of a float64, in ticks of the clock

	started bool
	transit float64 // of the last packet, in ticks
}

// firstCycle keeps extended numbers positive whatever is subtracted.
const firstCycle = 1 << 16

func (r *reception) arrived(ssrc uint32, sequence uint16, timestamp, clock uint32, at time.Time) {
	transit := float64(at.UnixMicro()%1e9)*float64(clock)/1e6 - float64(timestamp)
	if !r.started || ssrc != r.ssrc.Load() {
		r.started = true
		r.ssrc.Store(ssrc)
		r.base.Store(firstCycle + uint64(sequence))
		r.highest.Store(firstCycle + uint64(sequence))
		r.received.Store(1)
		r.transit = transit
		r.jitter.Store(0)
		return
	}
	r.received.Add(1)
	highest := r.highest.Load()
	if distance := int16(sequence - uint16(highest)); distance > 0 {
		r.highest.Store(highest + uint64(distance))
	}
	// The clocks of arrival and of the stream wrap at different times: such a step says nothing.
	if step := math.Abs(transit - r.transit); step < float64(clock) {
		before := math.Float64frombits(r.jitter.Load())
		r.jitter.Store(math.Float64bits(before + (step-before)/16))
	}
	r.transit = transit
}

// Reception is what a receiver reports of an RTP stream.
type Reception struct {
	SSRC     uint32  // 0: nothing came yet
	Highest  uint32  // sequence number, extended by the count of its cycles
	Expected uint64  // packets
	Lost     int64   // packets; fewer than none when some came twice
	Jitter   float64 // ticks of the stream's clock
}

func (r *reception) report() Reception {
	if r.received.Load() == 0 {
		return Reception{}
	}
	expected := r.highest.Load() - r.base.Load() + 1
	return Reception{
		SSRC: r.ssrc.Load(), Highest: uint32(r.highest.Load() - firstCycle), Expected: expected,
		Lost: int64(expected) - int64(r.received.Load()), Jitter: math.Float64frombits(r.jitter.Load()),
	}
}

// Reception is what came of the feed. A stream that goes on under another SSRC is counted anew.
func (f *Feed) Reception() Reception { return f.reception.report() }

// receptionOf adds what came of the feed with an SSRC to stats. It needs s.mu.
func (s *Source) receptionOf(stats *StreamStats) {
	for _, e := range s.encodings {
		if e.feed == nil {
			continue
		}
		r := e.feed.Reception()
		if clock := e.feed.cfg.Codec.ClockRate; r.SSRC == stats.SSRC && r.Expected > 0 && clock > 0 {
			stats.Lost = r.Lost
			stats.FractionLost = float64(max(0, r.Lost)) / float64(r.Expected)
			stats.Jitter = time.Duration(r.Jitter / float64(clock) * float64(time.Second))
		}
	}
}
