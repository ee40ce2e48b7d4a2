package rtc

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
)

// Sink is one outgoing track. It takes packets from the [Source] it is attached to and writes them to an [Output]
// as one continuous RTP stream, over pauses and changes of source and of layer. Safe for concurrent use.
type Sink struct {
	kind, id, streamID string
	wanted             Codec // what the source sends; the zero value takes the codec that was negotiated first
	sent               counter
	requested          feedbackCounter
	receiver           receiverReports
	resends            budget
	repeats            repeats
	lastFIR            atomic.Int32 // its sequence number plus 1; 0: none came yet
	mismatch           atomic.Bool
	reading            sync.WaitGroup         // the goroutine that reads RTCP while bound
	out                atomic.Pointer[Output] // nil: not negotiated
	maxLayer, target   atomic.Int32

	attaching  sync.Mutex // serializes Attach
	source     atomic.Pointer[Source]
	forwarding forwarding // guarded by the mu of source; by attaching while there is none
}

// NewSink makes a track with the msid and track id that the remote side will see.
func NewSink(kind, streamID, trackID string) *Sink {
	k := &Sink{kind: kind, id: trackID, streamID: streamID}
	k.maxLayer.Store(AllLayers)
	k.target.Store(AllLayers)
	return k
}

// Attach makes the sink forward source from now on, nil: nothing. What is new to it begins with a
// keyframe, which is asked for as by [Sink.Refresh].
func (k *Sink) Attach(source *Source) {
	k.attaching.Lock()
	defer k.attaching.Unlock()
	before := k.source.Load()
	if before == source {
		return
	}
	if before != nil {
		before.remove(k)
	}
	if source != nil && source.add(k) && k.out.Load() != nil {
		k.Refresh()
	}
}

// Refresh asks for a keyframe of what the sink sends or is about to send: at once, when the last request is half a
// second old, or not at all when the sink can begin with one that is stored.
func (k *Sink) Refresh() {
	s := k.source.Load()
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.source.Load() != s {
		return
	}
	switch fw := &k.forwarding; {
	case fw.sending:
		fw.current().of.requestKeyframe()
	case fw.want != nil && (k.live() || !fw.want.replayable(time.Now())):
		fw.want.requestKeyframe()
	}
}

func (k *Sink) live() bool {
	out := k.out.Load()
	return out != nil && out.Live
}

// Sent counts what went out, repetitions included.
func (k *Sink) Sent() Counts { return k.sent.counts() }

// Stats are those of the sink over its life.
func (k *Sink) Stats() StreamStats {
	out := k.out.Load()
	if out == nil {
		return k.requested.stats(0, &k.sent)
	}
	stats := k.requested.stats(out.SSRC, &k.sent)
	k.receiver.add(&stats, out.Codec.ClockRate)
	return stats
}

// Mismatched says whether packets are dropped because the remote side does not decode what the source sends.
func (k *Sink) Mismatched() bool { return k.mismatch.Load() }

// decodes says whether out takes what s sends. A change of either begins anew. It needs s.mu.
func (k *Sink) decodes(s *Source, out *Output) bool {
	fw := &k.forwarding
	if c := s.codec.Load(); c != fw.codec || out != fw.out {
		fw.rest()
		if c != fw.codec {
			fw.begun = 0 // what was sent before does not come again: out may have another payload type for it now
		}
		fw.codec, fw.out, fw.decodes = c, out, c != nil && out.takes(*c)
		k.mismatch.Store(!fw.decodes)
	}
	return fw.decodes
}

// senderReport is one that is to be sent when no lock is held.
type senderReport struct {
	out    *Output
	report *rtcp.SenderReport
}

// reports makes sender reports of what is known of e, in the sink's own time. It needs the source's mu.
func (k *Sink) reports(e *encoding, points ...syncPoint) []senderReport {
	fw, out := &k.forwarding, k.out.Load()
	if !fw.sending || out == nil || out.Control == nil {
		return nil
	}
	t := fw.current()
	if t.of != e {
		return nil
	}
	counts := k.sent.counts()
	reports := make([]senderReport, len(points))
	for i, point := range points {
		k.receiver.sent(point.ntp, time.Now())
		reports[i] = senderReport{out, &rtcp.SenderReport{
			SSRC: out.SSRC, NTPTime: point.ntp, RTPTime: point.timestamp + t.time,
			PacketCount: uint32(counts.Packets), OctetCount: uint32(counts.Bytes),
		}}
	}
	return reports
}

func sendReports(reports []senderReport) {
	for _, r := range reports {
		// A failure means that the connection is closing.
		_ = r.out.Control([]rtcp.Packet{r.report})
	}
}

// sync tells a sink that begins what was reported before.
func (s *Source) sync(k *Sink) {
	s.mu.Lock()
	var reports []senderReport
	if fw := &k.forwarding; k.source.Load() == s && fw.sending {
		e := fw.current().of
		reports = k.reports(e, e.synced...)
	}
	s.mu.Unlock()
	sendReports(reports)
}
