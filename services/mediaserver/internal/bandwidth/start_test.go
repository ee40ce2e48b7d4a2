package bandwidth_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orkestro/orkestro/services/mediaserver/internal/bandwidth"
)

// call sends the videos of a call of several over one connection, all of which are there from the beginning, as to one
// who joins it or is moved.
type call struct {
	own       *own
	allocator bandwidth.Allocator
	videos    []bandwidth.Track
	keyframes []bool // that are still to be sent
	pictures  []time.Duration
	debt      []float64
	frame     time.Duration
	decision  time.Duration
}

func newCall(videos int, layers ...int64) *call {
	c := &call{own: newOwn(), debt: make([]float64, videos)}
	for range videos {
		c.videos = append(c.videos, fresh(layers...))
		c.keyframes = append(c.keyframes, true)
		c.pictures = append(c.pictures, -1)
	}
	return c
}

func (c *call) run(p *path, during time.Duration) {
	for end := p.now() + during; p.now() < end; p.step() {
		if p.now() >= c.decision {
			c.decision += 250 * time.Millisecond
			c.decide()
		}
		if p.now() >= c.frame {
			c.frame += time.Second / frames
			c.sendFrames(p)
		}
	}
}

func (c *call) decide() {
	now := time.Now()
	c.own.estimator.Tick(now)
	c.allocator.Clear = c.own.estimator.Clear()
	targets := c.allocator.Allocate(now, c.own.estimator.Rate(), c.videos).Targets
	for i, target := range targets {
		c.keyframes[i] = c.keyframes[i] || target != c.videos[i].Target
		c.videos[i].Target, c.videos[i].Fresh = target, false
	}
}

func (c *call) sendFrames(p *path) {
	for i, v := range c.videos {
		if v.Target < 0 || v.Fresh {
			continue
		}
		size := float64(v.Layers[v.Target].Bitrate) / 8 / frames
		if c.keyframes[i] {
			size *= 5
		}
		c.keyframes[i] = false
		for c.debt[i] += size; c.debt[i] > 0; c.debt[i] -= packetBytes {
			p.send(packetBytes)
		}
		if c.pictures[i] < 0 {
			c.pictures[i] = p.now()
		}
	}
}

// withheld is how many videos get nothing.
func (c *call) withheld() (count int) {
	for _, v := range c.videos {
		if v.Target == bandwidth.Nothing {
			count++
		}
	}
	return count
}

// Whoever joins a call of four sees everybody as soon as the first feedback has nothing against it.
func TestStart_ShowsEverybodyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCall(3, 350_000, 1_200_000)
		p := newPath(&link{rate: constant(20 * mbit), queue: 500e3, delay: 20e6}, c.own)
		c.run(p, 5*time.Second)
		t.Logf("the first pictures were sent after %v", c.pictures)
		if slices.Min(c.pictures) < 0 || slices.Max(c.pictures) > 300*time.Millisecond {
			t.Errorf("the first pictures were sent after %v", c.pictures)
		}
		if c.withheld() > 0 {
			t.Errorf("%d videos are withheld, estimate %d", c.withheld(), c.own.estimator.Rate())
		}
	})
}

// On a link that one video is too much for, no others are begun with; one that carries a video is soon left with that.
func TestStart_SparesANarrowLink(t *testing.T) {
	for capacity, atMost := range map[float64]time.Duration{.2 * mbit: 1300e6, .3 * mbit: 1100e6, .6 * mbit: 450e6} {
		for _, videos := range []int{1, 2, 3, 8} {
			synctest.Test(t, func(t *testing.T) {
				c := newCall(videos, 350_000, 1_200_000)
				l := &link{rate: constant(capacity), queue: 100e3, delay: 20e6}
				p := newPath(l, c.own)
				c.run(p, 5*time.Second)
				t.Logf("%d videos at %.0f kbit/s: %d withheld, longest wait %v",
					videos, capacity/1e3, c.withheld(), l.maxWait.Round(time.Millisecond))
				if l.maxWait > atMost || videos-c.withheld() > 1 {
					t.Errorf("%d videos at %.0f kbit/s: %d withheld, packets waited for %v",
						videos, capacity/1e3, c.withheld(), l.maxWait)
				}
			})
		}
	}
}

// How many videos are begun with is bounded, and one at the bound does not come and go.
func TestStart_IsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		allocator := bandwidth.Allocator{Clear: true}
		tracks := []bandwidth.Track{fresh(500_000), fresh(500_000), fresh(500_000)}
		changes, bitrates := 0, []int64{190_000, 210_000}
		for i := range 40 {
			tracks[2].Layers[0].Bitrate = bitrates[i%2]
			for n, target := range allocator.Allocate(time.Now(), 300_000, tracks).Targets {
				if target != tracks[n].Target {
					changes++
				}
				tracks[n].Target, tracks[n].Fresh = target, false
			}
			time.Sleep(250 * time.Millisecond)
		}
		if tracks[0].Target != 0 || tracks[1].Target != 0 || tracks[2].Target != bandwidth.Nothing || changes > 1 {
			t.Errorf("%d changes, then %+v", changes, tracks)
		}
	})
}
