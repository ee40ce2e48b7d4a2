package rtc

import (
	"slices"
	"time"
)

// What a sink may be told instead of a layer.
const (
	AllLayers = -1 // no limit
	NoLayer   = -2 // nothing is to be sent
)

const allSpatial = 255

// LayerStats is what is measured of one layer of a source.
type LayerStats struct {
	Bitrate       uint64 // bits/s that a receiver of the layer gets, over about the last second
	Active        bool   // packets of it have come within the last second
	Width, Height uint16 // 0: not known
}

// Layers lists the layers of a video, the smallest picture first: its encodings when there are several, else the
// spatial layers of the only one. It is empty before anything came.
func (s *Source) Layers() []LayerStats { return s.appendLayers(nil) }

func (s *Source) appendLayers(list []LayerStats) []LayerStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, e := range s.encodings {
		e.rates.roll(now)
		if len(s.encodings) == 1 {
			return e.appendSpatial(list, now)
		}
		l := LayerStats{Active: e.sends(now), Width: e.width, Height: e.height}
		for _, rate := range e.rates.rate {
			l.Bitrate += rate
		}
		list = append(list, l)
	}
	return list
}

func (e *encoding) appendSpatial(list []LayerStats, now time.Time) []LayerStats {
	if e.lastAt.IsZero() {
		return list
	}
	var sum uint64
	for i := range min(e.spatial, maxSpatial-1) + 1 {
		sum += e.rates.rate[i]
		list = append(list, LayerStats{Bitrate: sum, Active: now.Sub(e.rates.lastAt[i]) < silence})
	}
	top := &list[len(list)-1]
	top.Width, top.Height = e.width, e.height
	return list
}

// sends says whether packets of e come.
func (e *encoding) sends(now time.Time) bool {
	return e.feed != nil && !e.lastAt.IsZero() && now.Sub(e.lastAt) < silence
}

// SetMaxLayer sets the highest layer that the receiver wishes, or [AllLayers].
func (k *Sink) SetMaxLayer(layer int) { k.limit(&k.maxLayer, layer) }

// SetTarget sets the highest layer that the bandwidth allows, [AllLayers], or [NoLayer]. Of the limits the lower one
// holds. A layer that is not sent at the moment is replaced by the next lower one that is, and the lowest one by the
// next higher. Changes take effect at the next keyframe, which is asked for; spatial layers are left out at once.
func (k *Sink) SetTarget(layer int) { k.limit(&k.target, layer) }

func (k *Sink) limit(which interface{ Swap(int32) int32 }, layer int) {
	if which.Swap(int32(layer)) == int32(layer) {
		return
	}
	s := k.source.Load()
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.source.Load() == s {
		k.choose(s, time.Now())
	}
}

// Layer is the layer that is sent now, -1: none.
func (k *Sink) Layer() int {
	s := k.source.Load()
	if s == nil {
		return -1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fw := &k.forwarding
	if k.source.Load() != s || !fw.sending {
		return -1
	}
	t := fw.current()
	if len(s.encodings) == 1 {
		return int(min(t.top, t.of.spatial))
	}
	return s.rank(t.of)
}

// arrange makes the encodings those of the names, none: a single one without a name. It returns what is to be closed,
// and needs s.mu.
func (s *Source) arrange(names []string) (gone []*encoding) {
	if len(names) == 0 {
		names = []string{""}
	}
	names = names[:min(len(names), maxEncodings)]
	if len(names) == len(s.encodings) && !slices.ContainsFunc(s.encodings, func(e *encoding) bool {
		return !slices.Contains(names, e.name)
	}) {
		return nil
	}
	before := s.encodings
	s.encodings = nil
	for _, name := range names {
		at := slices.IndexFunc(before, func(e *encoding) bool { return e.name == name })
		if at >= 0 {
			s.encodings = append(s.encodings, before[at])
			before = slices.Delete(before, at, at+1)
			continue
		}
		s.encodings = append(s.encodings, s.newEncoding(name))
	}
	for _, e := range before {
		e.feed = nil
	}
	for _, k := range s.sinks {
		if t := k.forwarding.current(); t != nil && slices.Contains(before, t.of) {
			k.forwarding.rest()
		}
		k.forwarding.want = nil
	}
	return before
}

// rank is the place of an encoding among the layers, -1: none.
func (s *Source) rank(e *encoding) int { return slices.Index(s.encodings, e) }

// review looks which encodings are sent, which one is the smaller picture, and what each sink should get. It needs
// s.mu.
func (s *Source) review(now time.Time) {
	s.reviewed = now
	for _, e := range s.encodings {
		active := e.sends(now)
		switch {
		case active && !e.active:
			e.settled = e.since.IsZero()
			e.since = now
		case active && now.Sub(e.since) >= settling:
			e.settled = true
		}
		e.active = active
	}
	s.order()
	for _, k := range s.sinks {
		k.choose(s, now)
	}
}

// order puts the smallest picture first: senders list the largest first or last, as they like. Encodings that have not
// been seen yet stay where the list has them, which is turned round when it proves to begin with the largest.
func (s *Source) order() {
	for i, a := range s.encodings {
		if slices.ContainsFunc(s.encodings[i+1:], func(b *encoding) bool { return a.larger(b) > 0 }) {
			slices.Reverse(s.encodings)
			break
		}
	}
	slices.SortStableFunc(s.encodings, (*encoding).larger)
}

// larger compares the size of the pictures, or what is sent where it is not known; 0: cannot be told.
func (e *encoding) larger(other *encoding) int {
	a, b := int(e.width)*int(e.height), int(other.width)*int(other.height)
	switch {
	case a > 0 && b > 0:
		return a - b
	case a > 0 || b > 0 || !e.active || !other.active:
		return 0
	}
	ours, theirs := e.rates.rate[0], other.rates.rate[0]
	switch {
	case ours > theirs+theirs/2:
		return 1
	case theirs > ours+ours/2:
		return -1
	default:
		return 0
	}
}

// choose decides what the sink is to send. It needs s.mu.
func (k *Sink) choose(s *Source, now time.Time) {
	fw := &k.forwarding
	limit := k.allowed()
	if limit == NoLayer || len(s.encodings) == 0 {
		fw.want = nil
		fw.rest()
		return
	}
	fw.top = allSpatial
	if len(s.encodings) == 1 {
		fw.want = s.encodings[0]
		if limit >= 0 {
			fw.top = uint8(min(limit, allSpatial))
		}
	} else if best := s.best(limit, fw); best != nil {
		fw.want = best
	}
	if fw.waits(now) {
		fw.want.requestKeyframe()
	}
}

// allowed is the lower one of the limits.
func (k *Sink) allowed() int {
	wish, target := int(k.maxLayer.Load()), int(k.target.Load())
	switch {
	case target == NoLayer || wish == AllLayers:
		return target
	case target == AllLayers:
		return wish
	default:
		return min(wish, target)
	}
}

// best is the highest encoding within the limit that is sent, else the lowest that is; nil when none is.
func (s *Source) best(limit int, fw *forwarding) (best *encoding) {
	for i, e := range s.encodings {
		back := e.settled || fw.sending && fw.current().of == e
		if e.active && (best == nil || back && (limit < 0 || i <= limit)) {
			best = e
		}
	}
	return best
}

// waits says whether the sink needs a keyframe to send what it wants.
func (fw *forwarding) waits(now time.Time) bool {
	switch {
	case fw.want == nil || fw.out == nil || !fw.decodes:
		return false
	case !fw.sending:
		return !fw.want.replayable(now)
	case fw.current().of != fw.want:
		return true
	default:
		return fw.current().top < min(fw.top, fw.want.spatial)
	}
}
