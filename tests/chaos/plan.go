package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// kind is a kind of trouble.
type kind string

const (
	mediaKilled    kind = "media server killed"
	mediaFrozen    kind = "media server frozen"
	mediaCutOff    kind = "media server cut off"
	mediaDrained   kind = "media server drained"
	wrapperKilled  kind = "Wrapper killed"
	wrapperFrozen  kind = "Wrapper frozen"
	wrapperStopped kind = "Wrapper stopped"
	wrapperCutOff  kind = "Wrapper cut off"
	linkCut        kind = "Wrapper cut off from a media server"
	restKilled     kind = "REST replica killed"
	restStopped    kind = "REST replica stopped"
	brokerKilled   kind = "RabbitMQ killed"
	storeKilled    kind = "store killed"
	controlKilled  kind = "control plane killed"
)

// several is the name of a result of two or three at once.
const several = "two or three at once"

// kinds is every kind there is, those first that a short run has to see.
func kinds() []kind {
	return []kind{
		mediaKilled, wrapperKilled, restKilled, brokerKilled, storeKilled, controlKilled, mediaFrozen, mediaCutOff,
		mediaDrained, linkCut, wrapperFrozen, wrapperStopped, restStopped, wrapperCutOff,
	}
}

// touchesMedia reports whether a pipeline may have to move because of this kind.
func (k kind) touchesMedia() bool {
	return k == mediaKilled || k == mediaFrozen || k == mediaCutOff || k == mediaDrained
}

// cutsOff reports whether this kind needs an isolated fleet.
func (k kind) cutsOff() bool { return k == mediaCutOff || k == wrapperCutOff || k == linkCut }

// step is one trouble, or several that overlap.
type step struct {
	number int
	kinds  []kind
	picks  []int           // which of those that can be hit, for each kind
	gaps   []time.Duration // after each blow
	hold   time.Duration   // from the last blow until things are put back
	before time.Duration   // quiet time
}

func (s step) String() string {
	var names []string
	for _, k := range s.kinds {
		names = append(names, string(k))
	}
	return fmt.Sprintf("#%d %s for %s", s.number, strings.Join(names, " + "), round(s.hold))
}

const (
	maxQuiet = 1500 * time.Millisecond
	maxGap   = time.Second // between two blows of one step
	// One step in so many is of several blows, up to maxBlows.
	severalEvery = 6
	maxBlows     = 3
)

// only is the kinds whose names hold part.
func only(part string) []kind {
	return slices.DeleteFunc(kinds(), func(k kind) bool { return !strings.Contains(string(k), part) })
}

// order is what a plan is made from: n troubles of these kinds, none of them longer than longest.
type order struct {
	seed    uint64
	n       int
	of      []kind
	longest time.Duration
}

// plan is the same for the same order, which names a kind at least. Every kind comes before one comes again.
func (o order) plan() []step {
	random := rand.New(rand.NewPCG(o.seed, 0))
	var plan []step
	var bag []kind
	draw := func() kind {
		if len(bag) == 0 {
			bag = slices.Clone(o.of)
			random.Shuffle(len(bag), func(i, j int) { bag[i], bag[j] = bag[j], bag[i] })
		}
		k := bag[0]
		bag = bag[1:]
		return k
	}
	for troubles := 0; troubles < o.n; {
		s := step{number: len(plan) + 1, kinds: []kind{draw()}}
		if random.IntN(severalEvery) == 0 {
			for range min(1+random.IntN(maxBlows-1), o.n-troubles-1) {
				s.kinds = append(s.kinds, draw())
			}
		}
		for _, k := range s.kinds {
			s.picks = append(s.picks, random.IntN(1<<16))
			s.gaps = append(s.gaps, time.Duration(random.Int64N(int64(maxGap))))
			s.hold = max(s.hold, min(holdTime(random, k), o.longest))
		}
		s.before = time.Duration(random.Int64N(int64(maxQuiet)))
		troubles += len(s.kinds)
		plan = append(plan, s)
	}
	return plan
}

// holdTime is how long a trouble lasts. What is frozen or cut off is so for long enough to be noticed, or not; one
// Wrapper in a few so long that even the broker notices.
func holdTime(random *rand.Rand, k kind) time.Duration {
	limit := 2 * time.Second
	switch k {
	case mediaFrozen, mediaCutOff, mediaDrained, linkCut:
		limit = 6 * time.Second
	case wrapperFrozen, wrapperCutOff:
		limit = 6 * time.Second
		if random.IntN(4) == 0 {
			limit = 40 * time.Second
		}
	default: // gone at once: what counts is how it comes back
	}
	return time.Duration(random.Int64N(int64(limit)))
}
