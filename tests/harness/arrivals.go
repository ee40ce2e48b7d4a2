package harness

import (
	"sync"
	"time"

	"github.com/pion/webrtc/v4"
)

// Arrivals is what is known of the RTP packets of one kind of one stream at one receiver.
type Arrivals struct {
	Packets int
	First   time.Time // since the mark
	Last    time.Time
	// Gap is the longest time without a packet since the mark, the one that lasts until now included; it began at
	// GapBegan. A gap that was there when the mark was set counts as a whole.
	Gap      time.Duration
	GapBegan time.Time
}

// arrivals records when RTP packets arrive, by stream id and kind. Safe for concurrent use.
type arrivals struct {
	mu      sync.Mutex
	tracks  map[string]*Arrivals
	byEpoch map[int64]time.Time // when the first packet came on a connection that was made under this epoch
	holes   holes
}

func newArrivals() *arrivals {
	return &arrivals{tracks: map[string]*Arrivals{}, byEpoch: map[int64]time.Time{}}
}

// add records a packet that came at that time on a connection of an epoch.
func (a *arrivals) add(key string, epoch int64, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t, found := a.tracks[key]
	if !found {
		t = &Arrivals{Last: at}
		a.tracks[key] = t
	}
	t.widen(at)
	t.Packets++
	t.Last = at
	if t.First.IsZero() {
		t.First = at
	}
	if _, found := a.byEpoch[epoch]; !found {
		a.byEpoch[epoch] = at
	}
}

// widen takes the time from the last packet until at for a gap.
func (t *Arrivals) widen(at time.Time) {
	if gap := at.Sub(t.Last); gap > t.Gap {
		t.Gap, t.GapBegan = gap, t.Last
	}
}

// get is the arrivals of one key, as of now.
func (a *arrivals) get(key string, now time.Time) Arrivals {
	a.mu.Lock()
	defer a.mu.Unlock()
	t, found := a.tracks[key]
	if !found {
		return Arrivals{}
	}
	seen := *t
	seen.widen(now)
	return seen
}

// mark begins to look for gaps anew.
func (a *arrivals) mark() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range a.tracks {
		t.First, t.Gap, t.GapBegan = time.Time{}, 0, time.Time{}
	}
}

// since is when the first packet came on a connection of epoch or a later one.
func (a *arrivals) since(epoch int64) (first time.Time, found bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for of, at := range a.byEpoch {
		if of >= epoch && (!found || at.Before(first)) {
			first, found = at, true
		}
	}
	return first, found
}

func (a *arrivals) total() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	sum := 0
	for _, t := range a.tracks {
		sum += t.Packets
	}
	return sum
}

// read records the packets of a track of a connection of epoch until it ends.
func (a *arrivals) read(track *webrtc.TrackRemote, epoch int64) {
	key := arrivalKey(track.StreamID(), track.Kind().String())
	numbers := a.holes.track()
	buffer := make([]byte, 1500)
	for {
		n, _, err := track.Read(buffer)
		if err != nil {
			return
		}
		numbers.add(buffer[:n])
		a.add(key, epoch, time.Now())
	}
}

func arrivalKey(stream, kind string) string { return stream + "/" + kind }

// Arrivals is what has arrived of kind (audio, video) of a stream.
func (u *User) Arrivals(stream, kind string) Arrivals {
	return u.arrivals.get(arrivalKey(stream, kind), time.Now())
}

// Mark has the user look for gaps anew, in all that it receives.
func (u *User) Mark() { u.arrivals.mark() }

// FirstMedia is when the first packet came on a connection that was made under epoch or a later one; false: none has.
func (u *User) FirstMedia(epoch int64) (time.Time, bool) { return u.arrivals.since(epoch) }
