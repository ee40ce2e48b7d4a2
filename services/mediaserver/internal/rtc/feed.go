package rtc

import (
	"time"

	"github.com/pion/rtp"

	"github.com/orkestro/orkestro/services/mediaserver/internal/payload"
)

// FeedConfig says what feeds a [Source].
type FeedConfig struct {
	Codec        Codec
	AudioLevelID uint8 // id of the audio level extension (RFC 6464) in the packets; 0: none
	DependencyID uint8 // id of the AV1 Dependency Descriptor in the packets, likewise

	REDPayloadType uint8 // of packets that are redundant audio of Codec; 0: there are none

	// Layer is the RID of this encoding, and Layers are those of all that the sender offered, in its order, up to 4
	// (RFC 8853); "" and nil: there is one only.
	Layer  string
	Layers []string

	// RequestKeyframe asks the sender for a keyframe, nil: it cannot be asked. Called on a goroutine of its own.
	RequestKeyframe func()
	// Lost asks the sender for packets to come again, by their RTP sequence numbers, nil: it cannot be asked. Called by
	// Write; the list is the callee's to keep.
	Lost func(sequences []uint16)
}

// Feed is one RTP stream that feeds a source: a track of a peer connection, an RTP socket, a file. Its packets are
// written by one goroutine at a time. A stream that goes on under another SSRC continues its numbers and time.
type Feed struct {
	source   *Source
	encoding *encoding // nil: the source is closed
	cfg      FeedConfig
	format   payload.Format

	reception reception

	// Scratch space of Write.
	in         rtp.Packet
	out        rtp.Header
	rewritten  []byte
	deliveries []delivery
	wanted     []uint64
	dependency payload.Dependency

	dependencies payload.Dependencies // what the descriptors of an AV1 stream refer to

	started bool // a packet has come; guarded by the source's mu, as is
	losses  losses
}

// OpenFeed begins to feed the source. A newer feed takes the place of an older one of the same layer, and of all others
// when it is one of other layers; their packets are dropped from then on. The feed ends with [Feed.Close] or with the
// source.
func (s *Source) OpenFeed(cfg FeedConfig) *Feed {
	f := &Feed{source: s, cfg: cfg, format: payload.FormatOf(cfg.Codec.MIME)}
	s.setCodec(cfg.Codec)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return f
	}
	gone := s.arrange(cfg.Layers)
	for _, e := range s.encodings {
		if e.name == cfg.Layer {
			f.encoding = e
		}
	}
	if e := f.encoding; e != nil {
		e.feed, e.synced, e.format = f, nil, f.format
		e.line.ended = true // its numbers may be anything
		if len(s.sinks) > 0 {
			e.requestKeyframe()
		}
	}
	s.review(time.Now())
	s.mu.Unlock()
	for _, e := range gone {
		e.close()
	}
	return f
}

// Write passes one RTP packet on, header and all, that came at at. It keeps nothing of the slice. It reports false when
// the feed does not feed its source any more; a packet that is none is dropped.
func (f *Feed) Write(packet []byte, at time.Time) bool {
	if f.in.Unmarshal(packet) != nil {
		return true
	}
	p, ok := f.read(at)
	if !ok {
		return true
	}
	s := f.source
	s.mu.Lock()
	if f.encoding == nil || f.encoding.feed != f {
		s.mu.Unlock()
		return false
	}
	f.deliveries = s.take(f, &p, len(packet), f.deliveries[:0])
	s.mu.Unlock()
	f.askAgain(&p)
	copies := f.deliver(&p)
	s.engine.traffic.count(len(packet), copies)
	return true
}

// read is what can be told of a packet without the source; ok is false when it makes no sense.
func (f *Feed) read(at time.Time) (p packet, ok bool) {
	f.reception.arrived(f.in.SSRC, f.in.SequenceNumber, f.in.Timestamp, f.cfg.Codec.ClockRate, at)
	p = packet{at: at, marker: f.in.Marker, payload: f.in.Payload}
	if f.cfg.AudioLevelID != 0 {
		p.audioLevel = f.in.GetExtension(f.cfg.AudioLevelID)
	}
	if f.cfg.REDPayloadType != 0 && f.in.PayloadType == f.cfg.REDPayloadType {
		return p, p.unpack()
	}
	if !f.source.video() || f.encoding == nil {
		return p, true
	}
	switch f.format {
	case payload.FormatVP8:
		p.vp8, _ = payload.ParseVP8(p.payload)
		p.info = p.vp8.Info()
	case payload.FormatAV1:
		p.info = f.readAV1(&p)
	default:
		p.info, _ = f.format.Read(p.payload)
	}
	return p, true
}

// readAV1 prefers the Dependency Descriptor to the payload. It is passed on while there is one encoding: its frame
// numbers are those of one encoder.
func (f *Feed) readAV1(p *packet) payload.Info {
	info, _ := payload.FormatAV1.Read(p.payload)
	if f.cfg.DependencyID == 0 {
		return info
	}
	descriptor := f.in.GetExtension(f.cfg.DependencyID)
	if len(f.cfg.Layers) == 0 {
		p.dependency = descriptor
	}
	if f.dependencies.Read(descriptor, &f.dependency) {
		return f.dependency.Info()
	}
	return info
}

// take numbers and stores a packet and decides who gets it how. It needs s.mu.
func (s *Source) take(f *Feed, p *packet, size int, deliveries []delivery) []delivery {
	e := f.encoding
	f.wanted = f.wanted[:0]
	placed := e.place(f, p, f.in.SequenceNumber, f.in.Timestamp, f.in.SSRC)
	f.started, s.ssrc = true, f.in.SSRC
	s.received.count(size, p.at)
	if s.video() {
		e.rates.count(p.info.Spatial, size, p.at)
	}
	if placed {
		placed = f.recover(p)
	}
	if !placed || s.paused {
		return deliveries
	}
	if len(p.audioLevel) == 1 {
		s.loudness.hear(p.audioLevel[0])
	}
	if s.video() {
		e.keep(p)
		if p.at.Sub(s.reviewed) >= reviewPeriod || !e.active {
			s.review(p.at)
		}
	}
	for _, k := range s.sinks {
		if d, ok := k.take(s, e, p); ok {
			deliveries = append(deliveries, d)
		}
	}
	return deliveries
}

// recover notes what p shows to be lost, and reports whether p is new: a packet may come again more often than it was
// asked for.
func (f *Feed) recover(p *packet) (fresh bool) {
	if f.losses.highest < f.encoding.line.base {
		f.losses = losses{} // another SSRC: what was lost of the one before cannot come any more
	}
	fresh, hopeless := f.losses.arrived(p.sequence, p.at)
	if !f.source.video() {
		return fresh // sound that is lost is not asked for
	}
	if hopeless {
		f.encoding.requestKeyframe()
	}
	f.wanted = f.losses.due(p.at, f.wanted)
	return fresh
}

// askAgain asks the sender for what is lost.
func (f *Feed) askAgain(p *packet) {
	if len(f.wanted) == 0 || f.cfg.Lost == nil {
		return
	}
	lost := make([]uint16, len(f.wanted))
	for i, sequence := range f.wanted {
		lost[i] = f.in.SequenceNumber - uint16(p.sequence-sequence)
	}
	f.source.asked.nacks.Add(1)
	f.cfg.Lost(lost)
}

// deliver writes a packet to those who get it and returns how many copies left.
func (f *Feed) deliver(p *packet) (copies int) {
	for i := range f.deliveries {
		d := &f.deliveries[i]
		if d.replay != nil {
			f.source.startReplay(d)
			continue
		}
		if n := d.write(&f.out, p, &f.rewritten); n > 0 {
			d.sink.sent.count(n, p.at)
			copies++
			if d.begins {
				f.source.sync(d.sink)
			}
		} else if d.begins {
			f.source.unsent(d.sink)
		}
	}
	return copies
}

// Report passes on what a sender report (RFC 3550 section 6.4.1) says: that timestamp, in the numbers of the feed,
// stands for the time of day ntp. Receivers keep audio and video in step by it.
func (f *Feed) Report(ntp uint64, timestamp uint32) {
	s := f.source
	s.mu.Lock()
	e := f.encoding
	if e == nil || e.feed != f || !f.started {
		s.mu.Unlock()
		return
	}
	point := syncPoint{ntp, timestamp + e.line.timeOffset}
	e.sync(point)
	var reports []senderReport
	if !s.paused {
		for _, k := range s.sinks {
			reports = append(reports, k.reports(e, point)...)
		}
	}
	s.mu.Unlock()
	sendReports(reports)
}

// Close ends the feed; the source goes on with the next one.
func (f *Feed) Close() {
	s := f.source
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.encoding != nil && f.encoding.feed == f {
		f.encoding.feed = nil
	}
}
