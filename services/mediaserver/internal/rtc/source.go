package rtc

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"

	"github.com/orkestro/orkestro/pkg/control"
)

// Source is one published track, from when it is announced until it is closed: it outlives the connection that carries
// it at the moment. Whatever arrives is stored for NACKs and passed to every attached [Sink] by the goroutine that
// writes to the [Feed]. Safe for concurrent use.
type Source struct {
	kind      string
	engine    *Engine
	store     *packetStore // nil for audio, which is not sent again
	keyframes *keyframes   // nil for audio
	sinks     atomic.Pointer[[]*Sink]
	paused    atomic.Bool
	received  counter
	asked     feedbackCounter
	loudness  loudness // of audio

	codec atomic.Pointer[Codec]

	mu     sync.Mutex // guards what follows, and changes of sinks
	feed   *Feed      // nil: nobody sends at the moment
	closed bool
	line   timeline
	lastAt time.Time // when line last placed a packet
	synced []syncPoint
}

// syncPoint says what time of day a timestamp of the source stands for. The last two of a feed are kept for sinks that
// begin later: senders report every few seconds only, and browsers need two to keep audio and video in step.
type syncPoint struct {
	ntp       uint64
	timestamp uint32
}

// NewSource makes a source of a kind, [control.KindAudio] or [control.KindVideo].
func (e *Engine) NewSource(kind string) *Source {
	s := &Source{kind: kind, engine: e}
	s.sinks.Store(&[]*Sink{})
	if kind == control.KindVideo {
		s.store = &packetStore{}
		s.keyframes = newKeyframes(s.askFeed)
	}
	return s
}

// Kind is the kind of media.
func (s *Source) Kind() string { return s.kind }

// Codec is what the source is encoded with, the zero value until that is known.
func (s *Source) Codec() Codec {
	if c := s.codec.Load(); c != nil {
		return *c
	}
	return Codec{}
}

// setCodec reports whether the codec is another one than before.
func (s *Source) setCodec(c Codec) bool {
	if s.Codec() == c {
		return false
	}
	s.codec.Store(&c)
	return true
}

// SetPaused stops or resumes forwarding. A resumed video starts with a keyframe.
func (s *Source) SetPaused(paused bool) {
	if s.paused.Swap(paused) && !paused {
		for _, sink := range *s.sinks.Load() {
			sink.resume()
		}
		s.RequestKeyframe()
	}
}

// RequestKeyframe asks the publisher for a keyframe: at once, or when the last request is half a second old. It does
// not wait.
func (s *Source) RequestKeyframe() {
	if s.keyframes != nil {
		s.keyframes.request()
	}
}

// Received counts what came in.
func (s *Source) Received() Counts { return s.received.counts() }

// Stats counts over the life of the source; the SSRC is that of its last feed.
func (s *Source) Stats() StreamStats {
	s.mu.Lock()
	ssrc := s.line.ssrc
	s.mu.Unlock()
	return s.asked.stats(ssrc, &s.received)
}

// Close detaches every sink and forgets the feed. The connection that feeds it is closed by its owner.
func (s *Source) Close() {
	s.mu.Lock()
	s.closed = true
	s.feed = nil
	sinks := *s.sinks.Load()
	s.sinks.Store(&[]*Sink{})
	s.mu.Unlock()
	if s.keyframes != nil {
		s.keyframes.close()
	}
	for _, sink := range sinks {
		sink.leave(s)
	}
}

// add and remove are called by Sink only, which keeps itself in at most one source.
func (s *Source) add(sink *Sink) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	sinks := append(slices.Clone(*s.sinks.Load()), sink)
	s.sinks.Store(&sinks)
	return true
}

func (s *Source) remove(sink *Sink) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sinks := slices.DeleteFunc(slices.Clone(*s.sinks.Load()), func(k *Sink) bool { return k == sink })
	s.sinks.Store(&sinks)
}

// forward passes one packet on, and reports false when f does not feed the source any more.
func (s *Source) forward(f *Feed, in *rtp.Packet, out *rtp.Header, size int, at time.Time) bool {
	p := packet{at: at, marker: in.Marker, payload: in.Payload}
	if f.cfg.AudioLevelID != 0 {
		p.audioLevel = in.GetExtension(f.cfg.AudioLevelID)
	}
	current, placed := s.place(f, &in.Header, &p)
	if !current {
		return false
	}
	s.received.count(size, p.at)
	copies := 0
	if placed && s.store != nil {
		placed = s.recover(f, in.SequenceNumber, &p)
	}
	if placed && !s.paused.Load() {
		if len(p.audioLevel) == 1 {
			s.loudness.hear(p.audioLevel[0])
		}
		if s.store != nil {
			s.store.put(&p)
		}
		for _, sink := range *s.sinks.Load() {
			copies += sink.write(s, &p, out)
		}
	}
	s.engine.traffic.count(size, copies)
	return true
}

// recover asks for what p shows to be lost, and reports whether p is new: a packet may come again more often than it
// was asked for.
func (s *Source) recover(f *Feed, number uint16, p *packet) (fresh bool) {
	fresh, hopeless := f.losses.arrived(p.sequence, p.at)
	if hopeless {
		s.RequestKeyframe()
	}
	if f.wanted = f.losses.due(p.at, f.wanted[:0]); len(f.wanted) > 0 {
		lost := make([]uint16, len(f.wanted))
		for i, sequence := range f.wanted {
			lost[i] = number - uint16(p.sequence-sequence)
		}
		if s.asked.nacks.Add(1); f.cfg.Lost != nil {
			f.cfg.Lost(lost)
		}
	}
	return fresh
}

func (s *Source) place(f *Feed, h *rtp.Header, p *packet) (current, placed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.feed != f {
		return false, false
	}
	pause := uint32(p.at.Sub(s.lastAt).Seconds() * float64(f.cfg.Codec.ClockRate))
	s.lastAt, f.started = p.at, true
	p.sequence, p.timestamp, placed = s.line.place(h, pause)
	return true, placed
}

// sync tells a sink that begins what was reported before.
func (s *Source) sync(sink *Sink) {
	s.mu.Lock()
	points := slices.Clone(s.synced)
	s.mu.Unlock()
	for _, point := range points {
		sink.report(s, point)
	}
}

// askFeed asks the present feed for a keyframe.
func (s *Source) askFeed() {
	s.mu.Lock()
	f := s.feed
	s.mu.Unlock()
	if f == nil || f.cfg.RequestKeyframe == nil {
		return // a feed that begins asks for itself
	}
	s.asked.keyframes.Add(1)
	f.cfg.RequestKeyframe()
}
