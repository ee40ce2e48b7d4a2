package rtc

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
)

// Source is one published track, from when it is announced until it is closed: it outlives the connection that
// carries it at the moment. Its sender may send it in several encodings at once (simulcast), of which each [Sink]
// gets one. What arrives is stored for NACKs and passed to the sinks by the goroutine that writes to the [Feed].
// Safe for concurrent use.
//
// One lock guards the source and what its sinks are in the middle of. A packet takes it once, whatever the number of
// sinks: under it is decided who gets the packet under which numbers; what is written is written after it.
type Source struct {
	kind     string
	engine   *Engine
	received counter
	asked    feedbackCounter
	loudness loudness // of audio
	codec    atomic.Pointer[Codec]
	replays  sync.WaitGroup

	mu        sync.Mutex  // guards what follows, the encodings, and the forwarding of every attached sink
	encodings []*encoding // the smallest picture first
	sinks     []*Sink
	paused    bool
	closed    bool
	ssrc      uint32    // of the last packet
	reviewed  time.Time // when the choice of layers was last looked at
}

// NewSource makes a source of a kind, [control.KindAudio] or [control.KindVideo].
func (e *Engine) NewSource(kind string) *Source { return &Source{kind: kind, engine: e} }

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
	s.mu.Lock()
	resumed := s.paused && !paused
	s.paused = paused
	if resumed {
		for _, sink := range s.sinks {
			sink.forwarding.rest()
		}
		for _, e := range s.encodings {
			e.keyframe = keyframeMark{}
		}
	}
	s.mu.Unlock()
	if resumed {
		s.RequestKeyframe()
	}
}

func (s *Source) isPaused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paused
}

// RequestKeyframe asks the publisher for a keyframe of every encoding: at once, or when the last request is half a
// second old. It does not wait.
func (s *Source) RequestKeyframe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.encodings {
		e.requestKeyframe()
	}
}

// Received counts what came in.
func (s *Source) Received() Counts { return s.received.counts() }

// Stats counts over the life of the source; the SSRC is that of its last packet.
func (s *Source) Stats() StreamStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.asked.stats(s.ssrc, &s.received)
	s.receptionOf(&stats)
	return stats
}

// Close detaches every sink and forgets the feeds. The connection behind them is closed by its owner.
func (s *Source) Close() {
	s.mu.Lock()
	s.closed = true
	sinks, encodings := s.sinks, s.encodings
	s.sinks, s.encodings = nil, nil
	for _, sink := range sinks {
		sink.source.CompareAndSwap(s, nil)
	}
	s.mu.Unlock()
	for _, e := range encodings {
		e.close()
	}
	s.replays.Wait()
}

// add and remove are called by [Sink.Attach] only, which keeps a sink in at most one source.
func (s *Source) add(sink *Sink) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	sink.forwarding.attach()
	sink.source.Store(s)
	s.sinks = append(s.sinks, sink)
	sink.choose(s, time.Now())
	return true
}

func (s *Source) remove(sink *Sink) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sink.source.CompareAndSwap(s, nil)
	s.sinks = slices.DeleteFunc(s.sinks, func(k *Sink) bool { return k == sink })
}

// video says whether there is anything to choose, to repeat or to ask for.
func (s *Source) video() bool { return s.kind == control.KindVideo }
