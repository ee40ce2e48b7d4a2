package bandwidth_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/orkestro/orkestro/services/mediaserver/internal/bandwidth"
)

// forwarder sends one of the layers of a video and an audio, as the allocation says, and probes for more.
type forwarder struct {
	own       *own
	layers    []bandwidth.Layer
	target    int
	fresh     bool
	allocator bandwidth.Allocator
	prober    bandwidth.Prober
	want      int64

	nextFrame, nextAudio, nextDecision, nextProbe time.Duration
	debt, probeDebt                               float64
	frame                                         int
	padded, changes                               int
	silent                                        bool // there is no audio
}

const audioRate = 40_000

func newForwarder(layers ...int64) *forwarder {
	f := &forwarder{own: newOwn(), fresh: true}
	for _, rate := range layers {
		f.layers = append(f.layers, bandwidth.Layer{Bitrate: rate, Active: true})
	}
	return f
}

func (f *forwarder) run(p *path) {
	now := p.now()
	if now >= f.nextDecision {
		f.nextDecision = now + 250*time.Millisecond
		f.decide()
	}
	if now >= f.nextAudio && !f.silent {
		f.nextAudio = now + 20*time.Millisecond
		p.send(audioRate / 8 / 50)
	}
	if now >= f.nextFrame {
		f.nextFrame = now + time.Second/frames
		f.sendFrame(p)
	}
	if now >= f.nextProbe {
		f.nextProbe = now + 10*time.Millisecond
		f.probe(p)
	}
}

func (f *forwarder) decide() {
	f.own.estimator.Tick(time.Now())
	track := bandwidth.Track{Layers: f.layers, Max: -1, Target: f.target, Fresh: f.fresh}
	f.allocator.Clear = f.own.estimator.Clear()
	a := f.allocator.Allocate(time.Now(), f.own.estimator.Rate()-audioRate, []bandwidth.Track{track})
	if !f.fresh && a.Targets[0] != f.target {
		f.changes++
		f.frame = 0
	}
	f.target, f.fresh = a.Targets[0], false
	if f.want = a.Want; f.want > 0 {
		f.want += audioRate
	}
}

// sendFrame sends frames of varying size, and a key frame of five times the size at each change of layer.
func (f *forwarder) sendFrame(p *path) {
	if f.target < 0 {
		return
	}
	size := float64(f.layers[f.target].Bitrate) / 8 / frames * (0.7 + 0.6*p.link.random.Float64())
	if f.frame%300 == 0 {
		size *= 5
	}
	f.frame++
	for f.debt += size; f.debt > 0; f.debt -= packetBytes {
		p.send(packetBytes)
	}
}

func (f *forwarder) probe(p *path) {
	e := f.own.estimator
	total := f.prober.Rate(time.Now(), e, f.want)
	if total == 0 {
		f.probeDebt = 0
		return
	}
	media := int64(audioRate)
	if f.target >= 0 {
		media += f.layers[f.target].Bitrate
	}
	for f.probeDebt += float64(max(total-media, 0)) / 8 / 100; f.probeDebt >= packetBytes; f.probeDebt -= packetBytes {
		p.send(packetBytes)
		f.padded++
	}
}

// until runs until the layer is the one given and says how long it took; it gives up after a time.
func (f *forwarder) until(p *path, layer int, atMost time.Duration) (time.Duration, bool) {
	began := p.now()
	for p.now() < began+atMost {
		if f.target == layer && !f.fresh {
			return p.now() - began, true
		}
		f.run(p)
		p.step()
	}
	return atMost, false
}

// stay runs for a time and returns the share of it in which the layer was the one given.
func (f *forwarder) stay(p *path, layer int, during time.Duration) float64 {
	p.link.maxWait = 0
	began, there := p.now(), 0
	for p.now() < began+during {
		if f.target == layer {
			there++
		}
		f.run(p)
		p.step()
	}
	return float64(there) / float64(during.Milliseconds())
}

func TestLayers_ClimbAndFallWithTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		capacity := .3 * mbit
		l := &link{rate: func(time.Duration) float64 { return capacity }, queue: 100e3, delay: 20e6}
		f := newForwarder(150_000, 500_000, 1_700_000)
		p := newPath(l, f.own)

		share := f.stay(p, 0, 30*time.Second)
		t.Logf("300 kbit/s: %.2f of the time the lowest, longest wait %v, %d changes, %d packets to probe, estimate %d",
			share, l.maxWait, f.changes, f.padded, f.own.estimator.Rate())
		if share < 0.95 {
			t.Errorf("lowest layer only %.2f of the time", share)
		}
		capacity = 2.4 * mbit
		took, ok := f.until(p, 2, 30*time.Second)
		t.Logf("2.4 Mbit/s: top after %v, %d packets to probe in all", took, f.padded)
		if !ok {
			t.Errorf("never got the top layer: estimate %d, want %d", f.own.estimator.Rate(), f.want)
		}
		share = f.stay(p, 2, time.Minute)
		t.Logf("%.2f of a minute the top layer, longest wait %v, estimate %d", share, l.maxWait, f.own.estimator.Rate())
		if share < 0.95 {
			t.Errorf("top layer only %.2f of the time", share)
		}
		capacity = .3 * mbit
		took, ok = f.until(p, 0, 10*time.Second)
		t.Logf("300 kbit/s again: lowest after %v", took)
		if !ok || took > 2*time.Second {
			t.Errorf("lowest layer after %v", took)
		}
		f.stay(p, 0, 12*time.Second) // what has piled up takes its time
		share = f.stay(p, 0, 30*time.Second)
		t.Logf("%.2f of the time the lowest, longest wait %v, %d changes in all", share, l.maxWait, f.changes)
		if share < 0.95 || l.maxWait > 500*time.Millisecond {
			t.Errorf("lowest layer %.2f of the time, packets waited for %v", share, l.maxWait)
		}
		capacity = 2.4 * mbit
		if took, ok = f.until(p, 2, 30*time.Second); !ok {
			t.Errorf("never got the top layer again: estimate %d", f.own.estimator.Rate())
		}
		t.Logf("2.4 Mbit/s again: top after %v", took)
	})
}

func TestLayers_StartFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newForwarder(150_000, 500_000, 1_700_000)
		p := newPath(&link{rate: constant(20 * mbit), queue: 500e3, delay: 20e6}, f.own)
		took, ok := f.until(p, 2, 30*time.Second)
		t.Logf("top layer after %v, %d packets to probe, %d changes", took, f.padded, f.changes)
		if !ok || took > 6*time.Second {
			t.Errorf("top layer after %v", took)
		}
	})
}

// A video that the link was too narrow for comes back: nothing is sent meanwhile that would show that there is more.
func TestLayers_ComeBackFromNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		capacity := .05 * mbit
		f := newForwarder(250_000, 500_000)
		f.silent = true
		p := newPath(&link{rate: func(time.Duration) float64 { return capacity }, queue: 50e3, delay: 20e6}, f.own)
		if took, ok := f.until(p, bandwidth.Nothing, 30*time.Second); !ok {
			t.Fatalf("still sent after %v, estimate %d", took, f.own.estimator.Rate())
		}
		f.stay(p, bandwidth.Nothing, 10*time.Second)
		capacity = 3 * mbit
		took, ok := f.until(p, 1, time.Minute)
		t.Logf("highest layer after %v", took)
		if !ok {
			t.Errorf("never came back: layer %d, estimate %d", f.target, f.own.estimator.Rate())
		}
	})
}
