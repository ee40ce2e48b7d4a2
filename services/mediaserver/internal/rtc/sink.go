package rtc

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// Sink is one outgoing track. It takes packets from the [Source] it is attached to and writes them to an [Output] as one
// continuous RTP stream, over pauses and changes of source. Safe for concurrent use.
type Sink struct {
	kind, id, streamID string
	wanted             Codec // what the source sends; the zero value takes the codec that was negotiated first
	sent               counter
	requested          feedbackCounter
	resends            budget
	mismatch           atomic.Bool
	reading            sync.WaitGroup // the goroutine that reads RTCP while bound

	attaching sync.Mutex // serializes Attach
	mu        sync.Mutex // guards what follows
	source    *Source
	out       *Output // nil: not negotiated
	numbers   mapping
	checked   *Codec // codec of the source that decodes is about
	decodes   bool   // the remote side decodes it
}

// mapping turns the numbers of the source into those of the sink. Numbers before base were never sent.
type mapping struct {
	anchored bool
	base     uint64 // first sequence number of the source under the present offsets
	sequence uint64 // added to the source's sequence number
	time     uint32 // added to the source's timestamp

	begun    bool // something was sent
	last     uint64
	lastTime uint32
	lastAt   time.Time
	fresh    bool // the source is another one than before, so its timestamps are not related
}

// NewSink makes a track with the msid and track id that the remote side will see.
func NewSink(kind, streamID, trackID string) *Sink {
	return &Sink{kind: kind, id: trackID, streamID: streamID}
}

// Attach makes the sink forward source from now on, nil: nothing. Whoever attaches asks the source for a keyframe.
func (k *Sink) Attach(source *Source) {
	k.attaching.Lock()
	defer k.attaching.Unlock()
	k.mu.Lock()
	before := k.source
	if before == source {
		k.mu.Unlock()
		return
	}
	k.source, k.checked = source, nil
	k.numbers.anchored, k.numbers.fresh = false, true
	k.mu.Unlock()
	if before != nil {
		before.remove(k)
	}
	if source != nil && !source.add(k) {
		k.leave(source)
	}
}

// leave forgets a source that is gone.
func (k *Sink) leave(source *Source) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.source == source {
		k.source = nil
	}
}

// resume begins anew after a pause, without a gap in the sequence numbers.
func (k *Sink) resume() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.numbers.anchored = false
}

// Sent counts what went out, repetitions included.
func (k *Sink) Sent() Counts { return k.sent.counts() }

// Stats are those of the sink over its life.
func (k *Sink) Stats() StreamStats {
	k.mu.Lock()
	var ssrc uint32
	if k.out != nil {
		ssrc = k.out.SSRC
	}
	k.mu.Unlock()
	return k.requested.stats(ssrc, &k.sent)
}

// Mismatched says whether packets are dropped because the remote side does not decode what the source sends.
func (k *Sink) Mismatched() bool { return k.mismatch.Load() }

// write sends one packet of source and returns how many copies left. header is scratch space of the caller, whose
// goroutine is the only one that writes for this source.
func (k *Sink) write(source *Source, p *packet, header *rtp.Header) int {
	k.mu.Lock()
	out := k.out
	if k.source != source || out == nil || !k.decodesLocked(source, out) {
		k.mu.Unlock()
		return 0
	}
	begins := !k.numbers.anchored
	sequence, timestamp, ok := k.numbers.next(p, out.Codec.ClockRate)
	k.mu.Unlock()
	if !ok {
		return 0
	}
	fillHeader(header, out, sequence, timestamp, p)
	n, err := out.Writer.WriteRTP(header, p.payload)
	if err != nil || n == 0 {
		return 0 // not connected yet, or closing
	}
	k.sent.count(n, p.at)
	if begins {
		source.sync(k)
	}
	return 1
}

// decodesLocked needs k.mu.
func (k *Sink) decodesLocked(source *Source, out *Output) bool {
	if c := source.codec.Load(); c != k.checked {
		k.checked, k.decodes = c, c != nil && out.takes(*c)
		k.mismatch.Store(!k.decodes)
	}
	return k.decodes
}

func fillHeader(h *rtp.Header, out *Output, sequence uint16, timestamp uint32, p *packet) {
	extensions := h.Extensions[:0]
	*h = rtp.Header{
		Version:        2,
		Marker:         p.marker,
		PayloadType:    out.PayloadType,
		SequenceNumber: sequence,
		Timestamp:      timestamp,
		SSRC:           out.SSRC,
		Extensions:     extensions,
	}
	if out.AudioLevelID != 0 && len(p.audioLevel) == 1 {
		h.Extension = true
		h.ExtensionProfile = rtp.ExtensionProfileOneByte
		_ = h.SetExtension(out.AudioLevelID, p.audioLevel) // ids above 14 do not fit and are left away
	}
}

// next gives the numbers under which p is sent; ok is false for a packet from before the sink began.
func (m *mapping) next(p *packet, clock uint32) (sequence uint16, timestamp uint32, ok bool) {
	if !m.anchored {
		m.anchor(p, clock)
	}
	if p.sequence < m.base {
		return 0, 0, false
	}
	number := p.sequence + m.sequence
	timestamp = p.timestamp + m.time
	if number > m.last {
		m.last, m.lastTime, m.lastAt = number, timestamp, p.at
	}
	m.begun = true
	return uint16(number), timestamp, true
}

func (m *mapping) anchor(p *packet, clock uint32) {
	m.anchored = true
	m.base = p.sequence
	if !m.begun {
		m.fresh = false
		return // the source's own numbers are as good as any
	}
	m.sequence = m.last + 1 - p.sequence
	if m.fresh {
		elapsed := uint32(p.at.Sub(m.lastAt).Seconds() * float64(clock))
		m.time = m.lastTime + max(elapsed, 1) - p.timestamp
		m.fresh = false
	}
}

// original is the source's number of a sent sequence number.
func (m *mapping) original(sequence uint16) (uint64, bool) {
	number := m.last - uint64(uint16(m.last)-sequence)
	original := number - m.sequence
	return original, m.anchored && original >= m.base
}

// report passes a sender report of the source on, in the sink's own time.
func (k *Sink) report(source *Source, point syncPoint) {
	k.mu.Lock()
	out, ready := k.out, k.source == source && k.numbers.anchored
	timestamp := point.timestamp + k.numbers.time
	k.mu.Unlock()
	if out == nil || !ready || out.Control == nil {
		return
	}
	counts := k.sent.counts()
	// A failure means that the connection is closing.
	_ = out.Control([]rtcp.Packet{&rtcp.SenderReport{
		SSRC: out.SSRC, NTPTime: point.ntp, RTPTime: timestamp,
		PacketCount: uint32(counts.Packets), OctetCount: uint32(counts.Bytes),
	}})
}
