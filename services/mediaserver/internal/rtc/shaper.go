package rtc

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/mediaserver/internal/bandwidth"
)

// shaper chooses the layers of the videos of one connection by what the connection carries. It does so only while some
// video has more than one layer; packets are numbered and counted only then. Its methods may be called by any
// goroutine; [shapers] calls decide and probe.
type shaper struct {
	numbers transportNumbers
	changed func(Quality) // nil: nobody is told

	// history is what packets are noted in, nil: there is nothing to choose.
	history atomic.Pointer[bandwidth.History]

	mu        sync.Mutex // guards what follows
	videos    []*shaped  // oldest first
	numbered  bool       // the client reports on numbered packets
	estimator *bandwidth.Estimator
	since     time.Time // when there began to be something to choose
	allocator bandwidth.Allocator
	prober    bandwidth.Prober
	want      int64 // bit/s at which some video would get more; 0: none would
	padding   padding
	told      Quality
	toldAt    time.Time

	// What look gives, and what it asks for: used again, as it looks often and mostly for nothing.
	tracks []bandwidth.Track
	layers []LayerStats
}

// shaped is a video of a connection.
type shaped struct {
	sink    *Sink
	decided bool
	target  int
	sending int // what was sent when it was last looked at
}

// add takes a video into account that is going to be sent.
func (s *shaper) add(sink *Sink) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.videos = append(s.videos, &shaped{sink: sink})
}

func (s *shaper) remove(sink *Sink) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.videos = slices.DeleteFunc(s.videos, func(v *shaped) bool { return v.sink == sink })
}

// writer is next, with numbers on what is written when the client has agreed to a header extension for them.
func (s *shaper) writer(next rtpWriter, extension uint8) rtpWriter {
	if extension == 0 {
		return next
	}
	s.mu.Lock()
	s.numbered = true
	s.mu.Unlock()
	return &numberedWriter{next, s, extension}
}

func (s *shaper) feedback(now time.Time, fb *rtcp.TransportLayerCC) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.estimator != nil {
		s.estimator.Feedback(now, fb)
	}
}

func (s *shaper) remb(now time.Time, bitrate float32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.estimator != nil {
		s.estimator.REMB(now, float64(bitrate))
	}
}

// Bandwidth is what the connection is estimated to carry to the client in bits per second; 0: unknown, because there is
// nothing to choose by it, or the client reports nothing.
func (p *peer) Bandwidth() int64 {
	if p.shaper == nil {
		return 0
	}
	return p.shaper.estimate()
}

func (s *shaper) estimate() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.estimator == nil || !s.estimator.Known() {
		return 0
	}
	return s.estimator.Rate()
}

// decide chooses the layers anew.
func (s *shaper) decide(now time.Time) {
	s.mu.Lock()
	tracks, choice := s.look()
	s.enable(choice)
	if choice {
		s.allocate(now, tracks)
	}
	quality, tell := s.quality(now, tracks)
	s.mu.Unlock()
	if tell && s.changed != nil {
		s.changed(quality)
	}
}

// look is what there is to choose from, and whether that is anything. It needs s.mu; tracks hold until the next call.
func (s *shaper) look() (tracks []bandwidth.Track, choice bool) {
	s.tracks = slices.Grow(s.tracks[:0], len(s.videos))[:len(s.videos)]
	for i, v := range s.videos {
		t := &s.tracks[i]
		t.Layers = t.Layers[:0]
		t.Max, t.Target, t.Fresh = int(v.sink.maxLayer.Load()), v.target, !v.decided
		source := v.sink.source.Load()
		if source == nil {
			continue
		}
		paused := source.isPaused()
		s.layers = source.appendLayers(s.layers[:0])
		for n, l := range s.layers {
			// What is not measured yet could be anything; only the smallest picture may.
			known := l.Bitrate > 0 || n == 0
			t.Layers = append(t.Layers, bandwidth.Layer{Bitrate: int64(l.Bitrate), Active: l.Active && known && !paused})
		}
		choice = choice || len(t.Layers) > 1
	}
	return s.tracks, choice
}

// enable begins or ends to note what is sent. It needs s.mu.
func (s *shaper) enable(choice bool) {
	switch {
	case choice && s.estimator == nil:
		history := &bandwidth.History{}
		s.estimator, s.since = bandwidth.NewEstimator(history), time.Now()
		s.history.Store(history)
	case !choice && s.estimator != nil:
		s.history.Store(nil)
		s.estimator, s.allocator = nil, bandwidth.Allocator{}
		s.prober, s.want, s.padding = bandwidth.Prober{}, 0, padding{}
		s.free()
	}
}

// free lets every video be sent as it is wished. It needs s.mu.
func (s *shaper) free() {
	for _, v := range s.videos {
		v.decided = false
		v.sink.SetTarget(AllLayers)
	}
}

// allocate needs s.mu.
func (s *shaper) allocate(now time.Time, tracks []bandwidth.Track) {
	s.estimator.Tick(now)
	if patient := s.numbered && now.Sub(s.since) < feedbackPatience; !patient && !s.estimator.Known() {
		s.free() // a client that tells nothing gets everything
		return
	}
	s.allocator.Clear = s.estimator.Clear()
	allocation := s.allocator.Allocate(now, s.estimator.Rate(), tracks)
	s.want = allocation.Want
	for i, v := range s.videos {
		v.target = allocation.Targets[i]
		v.decided = v.decided || slices.ContainsFunc(tracks[i].Layers, func(l bandwidth.Layer) bool { return l.Active })
		switch {
		case !v.decided: // nothing has come yet
			v.sink.SetTarget(0)
		case v.target == bandwidth.Nothing:
			v.sink.SetTarget(NoLayer)
		default:
			v.sink.SetTarget(v.target)
		}
	}
}

// feedbackPatience is how long a client may take until its first report on numbered packets: chosen.
const feedbackPatience = 5 * time.Second

// Quality is what a connection sends of its videos.
type Quality struct {
	Bandwidth int64 // bit/s that it is estimated to carry; 0: unknown
	Streams   []control.StreamQuality
}

// qualityPeriod is the least time between two changes that are told: chosen.
const qualityPeriod = time.Second

// quality is what is sent of the videos that have several layers and have begun, and whether it is to be told: when it
// is another than was told last, for as long as decisions are apart, so that a switch that is under way is not told
// twice. It needs s.mu.
func (s *shaper) quality(now time.Time, tracks []bandwidth.Track) (q Quality, tell bool) {
	steady, begun := true, false
	for i, v := range s.videos {
		layer := v.sink.Layer()
		steady, v.sending = steady && layer == v.sending, layer
		begun = begun || v.sink.Sent().Packets > 0
		if len(tracks[i].Layers) > 1 && !v.begins() {
			q.Streams = append(q.Streams, control.StreamQuality{
				ID: control.StreamID(v.sink.streamID), Layer: layer, Layers: len(tracks[i].Layers),
				Limit: limitOf(layer, &tracks[i]),
			})
		}
	}
	if !steady || !begun || slices.Equal(q.Streams, s.told.Streams) || now.Sub(s.toldAt) < qualityPeriod {
		return Quality{}, false
	}
	if s.estimator != nil && s.estimator.Known() {
		q.Bandwidth = s.estimator.Rate()
	}
	s.told, s.toldAt = q, now
	return q, true
}

// begins says that a video which is to be sent waits for the client's answer or for its first keyframe: nothing can be
// told of it yet.
func (v *shaped) begins() bool {
	return v.sending < 0 && v.target != bandwidth.Nothing && v.sink.Sent().Packets == 0
}

// limitOf says why a layer is not a higher one.
func limitOf(layer int, t *bandwidth.Track) control.QualityLimit {
	higher := false
	for i := layer + 1; i < len(t.Layers); i++ {
		higher = higher || t.Layers[i].Active
	}
	switch {
	case !higher:
		return control.LimitedByPublisher
	case t.Max >= 0 && layer >= t.Max:
		return control.LimitedByMaxLayer
	default:
		return control.LimitedByBandwidth
	}
}
