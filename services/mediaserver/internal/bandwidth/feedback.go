package bandwidth

import (
	"time"

	"github.com/pion/rtcp"
)

const (
	referenceUnit = 64 * time.Millisecond // of the reference time
	referenceBits = 24
)

// status is what a feedback packet says of one packet.
type status struct {
	sequence uint16
	arrived  bool
	at       time.Duration // by the client's clock, from an origin that stays
}

// reader unrolls transport-wide feedback and keeps the client's clock going on over its 12 days.
type reader struct {
	started   bool
	reference uint32
	origin    int64 // in reference units
}

// read calls report for every packet that fb tells of, at most as many as a [History] knows, whatever counts fb claims.
func (r *reader) read(fb *rtcp.TransportLayerCC, report func(status)) {
	s := status{sequence: fb.BaseSequenceNumber, at: r.unwrap(fb.ReferenceTime)}
	left := min(int(fb.PacketStatusCount), historySize)
	deltas := fb.RecvDeltas
	next := func(symbol uint16) bool {
		s.arrived = symbol == rtcp.TypeTCCPacketReceivedSmallDelta || symbol == rtcp.TypeTCCPacketReceivedLargeDelta
		if s.arrived {
			if len(deltas) == 0 {
				return false
			}
			s.at += time.Duration(deltas[0].Delta) * time.Microsecond
			deltas = deltas[1:]
		}
		report(s)
		s.sequence++
		left--
		return left > 0
	}
	for _, chunk := range fb.PacketChunks {
		if left == 0 || !eachSymbol(chunk, next) {
			return
		}
	}
}

// eachSymbol calls next for each symbol of a chunk until that reports false, and says whether it never did.
func eachSymbol(chunk rtcp.PacketStatusChunk, next func(uint16) bool) bool {
	switch c := chunk.(type) {
	case *rtcp.RunLengthChunk:
		for range c.RunLength {
			if !next(c.PacketStatusSymbol) {
				return false
			}
		}
	case *rtcp.StatusVectorChunk:
		for _, symbol := range c.SymbolList {
			if !next(symbol) {
				return false
			}
		}
	}
	return true
}

// unwrap takes the shorter way round the ring of 24 bits.
func (r *reader) unwrap(reference uint32) time.Duration {
	if !r.started {
		r.started, r.reference = true, reference
	}
	const unused = 32 - referenceBits
	distance := int32((reference-r.reference)<<unused) >> unused
	r.origin += int64(distance)
	r.reference = reference
	return time.Duration(r.origin) * referenceUnit
}
