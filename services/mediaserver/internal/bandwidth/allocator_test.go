package bandwidth_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/orkestro/orkestro/services/mediaserver/internal/bandwidth"
)

func layers(rates ...int64) []bandwidth.Layer {
	var list []bandwidth.Layer
	for _, rate := range rates {
		list = append(list, bandwidth.Layer{Bitrate: rate, Active: true})
	}
	return list
}

func fresh(rates ...int64) bandwidth.Track {
	return bandwidth.Track{Layers: layers(rates...), Max: -1, Fresh: true}
}

func TestAllocator_DividesFairly(t *testing.T) {
	threeLayers := []int64{100, 300, 900}
	limited := fresh(threeLayers...)
	limited.Max = 1
	paused := fresh(threeLayers...)
	paused.Layers[1].Active = false
	for _, c := range []struct {
		name      string
		bandwidth int64
		tracks    []bandwidth.Track
		want      []int
	}{
		{"all the highest", 5000, []bandwidth.Track{fresh(threeLayers...), fresh(threeLayers...)}, []int{2, 2}},
		{"the oldest gets more", 500, []bandwidth.Track{fresh(threeLayers...), fresh(threeLayers...)}, []int{1, 0}},
		{"everybody before one gets most", 1200, []bandwidth.Track{fresh(threeLayers...), fresh(threeLayers...)}, []int{1, 1}},
		{"lowest rather than nothing", 120, []bandwidth.Track{fresh(threeLayers...), fresh(threeLayers...)}, []int{0, 0}},
		{"the newest gets nothing", 80, []bandwidth.Track{fresh(threeLayers...), fresh(threeLayers...)}, []int{0, bandwidth.Nothing}},
		{"nothing at all", 30, []bandwidth.Track{fresh(threeLayers...)}, []int{bandwidth.Nothing}},
		{"a wish", 5000, []bandwidth.Track{limited, fresh(threeLayers...)}, []int{1, 2}},
		{"a layer that is not there", 5000, []bandwidth.Track{paused}, []int{2}},
		{"a layer that is not there, and the next is too much", 800, []bandwidth.Track{paused}, []int{0}},
		{"one layer only", 500, []bandwidth.Track{fresh(400), fresh(threeLayers...)}, []int{0, 0}},
		{"no layer", 500, []bandwidth.Track{fresh(), fresh(100)}, []int{0, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var allocator bandwidth.Allocator
			if got := allocator.Allocate(time.Now(), c.bandwidth, c.tracks); !slices.Equal(got.Targets, c.want) {
				t.Errorf("targets are %v, want %v", got.Targets, c.want)
			}
		})
	}
}

func TestAllocator_WantsWhatTheNextLayerTakes(t *testing.T) {
	var allocator bandwidth.Allocator
	got := allocator.Allocate(time.Now(), 350, []bandwidth.Track{fresh(100, 300, 900)})
	if got.Targets[0] != 1 || got.Want < 900 || got.Want > 1100 {
		t.Errorf("got %+v", got)
	}
	if got = allocator.Allocate(time.Now(), 5000, []bandwidth.Track{fresh(100, 300, 900)}); got.Want != 0 {
		t.Errorf("wants %d with all there is", got.Want)
	}
}

func TestAllocator_DoesNotFlap(t *testing.T) {
	var allocator bandwidth.Allocator
	now := time.Now()
	track := fresh(100, 300, 900)
	changes := 0
	for i := range 4 * 60 { // the bandwidth goes up and down around what a layer takes, a minute long
		now = now.Add(250 * time.Millisecond)
		available := int64(1100)
		if i%8 == 0 {
			available = 700
		}
		got := allocator.Allocate(now, available, []bandwidth.Track{track})
		if got.Targets[0] != track.Target {
			changes++
		}
		track.Target, track.Fresh = got.Targets[0], false
	}
	if changes > 12 { // 60 without a rest
		t.Errorf("%d changes in a minute", changes)
	}
}

// TestAllocator_KeepsItsRules with random tracks, bandwidths and times.
func TestAllocator_KeepsItsRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var allocator bandwidth.Allocator
		now := time.Now()
		tracks := make([]bandwidth.Track, rapid.IntRange(0, 5).Draw(t, "tracks"))
		for i := range tracks {
			tracks[i] = bandwidth.Track{Max: rapid.IntRange(-1, 3).Draw(t, "max"), Fresh: true}
			var rate int64
			for range rapid.IntRange(0, 4).Draw(t, "layers") {
				rate += rapid.Int64Range(0, 2_000_000).Draw(t, "rate")
				tracks[i].Layers = append(tracks[i].Layers,
					bandwidth.Layer{Bitrate: rate, Active: rapid.Bool().Draw(t, "active")})
			}
		}
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			available := rapid.Int64Range(-1000, 10_000_000).Draw(t, "bandwidth")
			now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			allocator.Clear = rapid.Bool().Draw(t, "clear")
			got := allocator.Allocate(now, available, tracks)
			checkRules(t, available, allocator.Clear, tracks, got)
			for i, target := range got.Targets {
				tracks[i].Target, tracks[i].Fresh = target, false
			}
		}
	})
}

func checkRules(t *rapid.T, available int64, unhindered bool, tracks []bandwidth.Track, got bandwidth.Allocation) {
	if len(got.Targets) != len(tracks) {
		t.Fatalf("%d targets for %d tracks", len(got.Targets), len(tracks))
	}
	var total, raised int64
	for i, target := range got.Targets {
		track := tracks[i]
		there := slices.ContainsFunc(track.Layers[:wanted(&track)], func(l bandwidth.Layer) bool { return l.Active })
		if !there {
			if target != track.Target {
				t.Fatalf("track %d, of which nothing is there, has %d, had %d", i, target, track.Target)
			}
			continue
		}
		if target == bandwidth.Nothing {
			continue
		}
		if target >= len(track.Layers) || !track.Layers[target].Active || track.Max >= 0 && target > track.Max {
			t.Fatalf("track %d has layer %d of %+v", i, target, track)
		}
		total += track.Layers[target].Bitrate
		lowest := slices.IndexFunc(track.Layers, func(l bandwidth.Layer) bool { return l.Active })
		raised += track.Layers[target].Bitrate - track.Layers[lowest].Bitrate
	}
	atMost := 2 * max(available, 0)
	if unhindered {
		atMost = max(atMost, 1_200_000)
	}
	if total > atMost {
		t.Fatalf("%d of %d given away", total, available)
	}
	if raised > 0 && float64(total) > 1.1*float64(available) {
		t.Fatalf("%d given away of %d, and not only the lowest layers", total, available)
	}
	if got.Want != 0 && got.Want < total {
		t.Fatalf("wants %d, has %d", got.Want, total)
	}
}

// wanted is how many layers may be sent.
func wanted(t *bandwidth.Track) int {
	if t.Max < 0 {
		return len(t.Layers)
	}
	return min(t.Max+1, len(t.Layers))
}

// A publisher who stops its highest layer, or all of them, and begins again is none whose layer was too much.
func TestAllocator_TakesBackWhatThePublisherHadStopped(t *testing.T) {
	for name, stopped := range map[string][]int{"the highest": {2}, "all": {0, 1, 2}} {
		t.Run(name, func(t *testing.T) {
			var allocator bandwidth.Allocator
			now := time.Now()
			track := fresh(100, 300, 900)
			run := func(during time.Duration) {
				for range during / (250 * time.Millisecond) {
					now = now.Add(250 * time.Millisecond)
					track.Target, track.Fresh = allocator.Allocate(now, 2000, []bandwidth.Track{track}).Targets[0], false
				}
			}
			run(time.Second)
			for range 5 {
				for _, i := range stopped {
					track.Layers[i].Active = false
				}
				run(5 * time.Second)
				for _, i := range stopped {
					track.Layers[i].Active = true
				}
				if run(time.Second); track.Target != 2 {
					t.Fatalf("a second later the target is %d", track.Target)
				}
			}
		})
	}
}
