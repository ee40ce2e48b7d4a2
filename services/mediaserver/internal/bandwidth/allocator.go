package bandwidth

import "time"

// How steady an allocation is: chosen.
const (
	raiseHeadroom = 1.15                   // of what is needed has to be there before anything gets more
	raiseAfter    = 500 * time.Millisecond // for which it has to be there
	keepTolerance = 1.1                    // of the bandwidth: bitrates of a video vary by themselves
	squeeze       = 2                      // of the bandwidth: up to here every video keeps its lowest layer
	clearLowest   = 1_200_000              // bit/s: up to here too while nothing speaks against it
	restAfterDrop = 2 * time.Second        // without a raise; twice as long each time that a raise did not last
	maxRest       = 30 * time.Second
	lasting       = 10 * time.Second // a raise lasted
)

// Nothing is the target of a video that is not sent.
const Nothing = -1

// Layer is what sending a video in this quality takes.
type Layer struct {
	Bitrate int64 // bits per second, of lower layers too where they are needed for it
	Active  bool  // it is there to be sent
}

// Track is a video.
type Track struct {
	Layers []Layer // lowest first
	Max    int     // the highest layer that is wanted; negative: no limit
	Target int     // that it has now, Nothing: none
	Fresh  bool    // it has no target yet
}

// next is the active layer above the one given.
func (t *Track) next(layer int) (int, bool) {
	for i := layer + 1; i < len(t.Layers) && (t.Max < 0 || i <= t.Max); i++ {
		if t.Layers[i].Active {
			return i, true
		}
	}
	return 0, false
}

// has is the layer that is sent when it is to have its target, as far as that is there and wanted.
func (t *Track) has() int {
	layer := Nothing
	for next, found := t.next(Nothing); found && next <= t.Target; next, found = t.next(next) {
		layer = next
	}
	return layer
}

func (t *Track) cost(layer int) int64 {
	if layer < 0 || layer >= len(t.Layers) {
		return 0
	}
	return t.Layers[layer].Bitrate
}

// Allocation is what a bandwidth is used for.
type Allocation struct {
	Targets []int // a layer for each track, or Nothing; what it had where nothing is there
	Want    int64 // the bandwidth at which some track would get more; 0: none would
}

// Allocator divides the bandwidth of one connection among its videos. Every video gets its lowest layer first, then
// each gets one layer more, the oldest first, as long as that fits. Less is given at once, more only after it has
// fitted for a while. The zero value is ready; one goroutine at a time may use it.
type Allocator struct {
	// Clear is [Estimator.Clear]: nothing speaks against more than the bandwidth. Then every video gets its lowest layer
	// as long as that is no great risk: to wait for proof would be to show nothing meanwhile.
	Clear bool

	fits    time.Time // since when a raise fits; zero: none does
	raised  time.Time
	dropped time.Time
	rest    time.Duration
}

// Allocate decides at now. The tracks are in the order of their importance.
func (a *Allocator) Allocate(now time.Time, bandwidth int64, tracks []Track) Allocation {
	targets, total, less := a.keep(bandwidth, tracks)
	if less {
		a.drop(now)
	}
	raised := make([]int, len(targets))
	copy(raised, targets)
	rich := int64(float64(bandwidth) / raiseHeadroom)
	after, more := raise(rich, total, tracks, raised)
	switch {
	case !more:
		a.fits = time.Time{}
	case a.fits.IsZero():
		a.fits = now
	}
	rested := now.Sub(a.fits) >= raiseAfter && now.Sub(a.dropped) >= a.rest
	careless := a.dropped.IsZero() // nothing has ever been too much: a beginning should be quick
	if more && (rested || careless || anyFresh(tracks)) {
		a.fits, a.raised = time.Time{}, now
		targets, total = raised, after
	}
	return Allocation{targets, want(total, tracks, targets)}
}

func (a *Allocator) drop(now time.Time) {
	if now.Sub(a.raised) < lasting {
		a.rest = min(max(2*a.rest, restAfterDrop), maxRest)
	} else {
		a.rest = restAfterDrop
	}
	a.dropped = now
}

func anyFresh(tracks []Track) bool {
	for i := range tracks {
		if tracks[i].Fresh {
			return true
		}
	}
	return false
}

// keep is what of the present targets fits, and what it takes; less says that something got less than it had. A track
// of which nothing is there keeps its target and takes nothing.
func (a *Allocator) keep(bandwidth int64, tracks []Track) (targets []int, total int64, less bool) {
	targets = make([]int, len(tracks))
	limited := make([]Track, len(tracks)) // to what they have
	atMost := squeeze * bandwidth
	if a.Clear {
		atMost = max(atMost, clearLowest)
	}
	begins := a.Clear && a.dropped.IsZero() // else what was taken comes back by a raise only, which is steady
	for i := range tracks {
		t := &tracks[i]
		lowest, there := t.next(Nothing)
		if !there {
			targets[i] = t.Target
			continue
		}
		if targets[i] = Nothing; t.Target == Nothing && !t.Fresh && !begins {
			continue
		}
		if total+t.cost(lowest) > atMost {
			less = less || !t.Fresh && t.Target != Nothing
			continue
		}
		targets[i] = lowest
		total += t.cost(lowest)
		limited[i] = Track{Layers: t.Layers, Max: max(t.has(), lowest)}
	}
	total, _ = raise(int64(keepTolerance*float64(bandwidth)), total, limited, targets)
	for i := range tracks {
		less = less || !tracks[i].Fresh && targets[i] < tracks[i].has()
	}
	return targets, total, less
}

// raise gives every track one layer more, in turn, as long as that fits into the bandwidth.
func raise(bandwidth, total int64, tracks []Track, targets []int) (after int64, more bool) {
	for again := true; again; {
		again = false
		for i := range tracks {
			next, found := tracks[i].next(targets[i])
			if !found {
				continue
			}
			with := total - tracks[i].cost(targets[i]) + tracks[i].cost(next)
			if with > bandwidth {
				continue
			}
			total, targets[i] = with, next
			again, more = true, true
		}
	}
	return total, more
}

// want is the bandwidth that the cheapest raise needs.
func want(total int64, tracks []Track, targets []int) int64 {
	var least int64
	for i := range tracks {
		if next, found := tracks[i].next(targets[i]); found {
			with := total - tracks[i].cost(targets[i]) + tracks[i].cost(next)
			if need := int64(float64(with)*raiseHeadroom) + 1; least == 0 || need < least {
				least = need
			}
		}
	}
	return least
}
