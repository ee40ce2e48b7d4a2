// Package speaker tells who speaks in a pipeline, from the audio levels that senders write into their packets (RFC
// 6464): nothing is decoded. It is used by package media and has no clock of its own.
package speaker

import (
	"slices"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
)

// How speech is told from noise: chosen, after what is usual in conferences.
const (
	Period    = 300 * time.Millisecond // between two looks: about a syllable or two
	minShare  = 0.4                    // of the packets of a period are loud: speech has gaps, a click does not last
	begins    = 2                      // periods in a row until somebody counts as speaking: a cough is shorter
	pauses    = 4                      // silent periods until somebody has ended: longer than between two words
	clearly   = 6                      // dB that somebody has to be louder to come before another
	smoothing = 0.5                    // weight of the newest period
	interval  = time.Second            // least time between two changes that are told
	most      = 8                      // speakers that are told
)

// Heard is what was heard of one stream in a period.
type Heard struct {
	Stream  control.StreamID
	Packets uint32  // of audio with a level
	Loud    uint32  // of these, those that may be speech
	Level   float64 // mean of the loud ones in dB above the quietest there is: 0 to 127
}

// Detector follows one pipeline. One goroutine uses it.
type Detector struct {
	voices map[control.StreamID]*voice
	order  []control.StreamID // those who speak, loudest first
	told   []control.StreamID
	toldAt time.Time
}

type voice struct {
	level    float64
	run      int // loud periods in a row, at most begins
	silent   int // silent periods in a row
	speaking bool
}

// Look takes what was heard of every stream since the last look. It returns who speaks, loudest first, and whether that
// is to be told now.
func (d *Detector) Look(heard []Heard, now time.Time) (speaking []control.StreamID, changed bool) {
	d.listen(heard)
	d.rank()
	speaking = slices.Clone(d.order[:min(len(d.order), most)])
	if slices.Equal(speaking, d.told) || now.Sub(d.toldAt) < interval {
		return speaking, false
	}
	d.told, d.toldAt = speaking, now
	return slices.Clone(speaking), true
}

func (d *Detector) listen(heard []Heard) {
	before := d.voices
	d.voices = make(map[control.StreamID]*voice, len(heard))
	for _, h := range heard {
		v := before[h.Stream]
		if v == nil {
			v = &voice{}
		}
		v.listen(h)
		d.voices[h.Stream] = v
	}
}

func (v *voice) listen(h Heard) {
	if h.Packets == 0 || float64(h.Loud) < minShare*float64(h.Packets) {
		v.run = 0
		if v.silent++; v.silent >= pauses {
			v.speaking, v.level = false, 0
		}
		return
	}
	if v.level == 0 {
		v.level = h.Level
	}
	v.level += smoothing * (h.Level - v.level)
	v.silent, v.run = 0, min(v.run+1, begins)
	v.speaking = v.speaking || v.run == begins
}

// rank puts those who have begun behind the others, and then moves whoever is clearly louder than the one before.
func (d *Detector) rank() {
	d.order = slices.DeleteFunc(d.order, func(id control.StreamID) bool {
		return d.voices[id] == nil || !d.voices[id].speaking
	})
	var begun []control.StreamID
	for id, v := range d.voices {
		if v.speaking && !slices.Contains(d.order, id) {
			begun = append(begun, id)
		}
	}
	slices.Sort(begun)
	d.order = append(d.order, begun...)
	for i := 1; i < len(d.order); i++ {
		for k := i; k > 0 && d.voices[d.order[k]].level >= d.voices[d.order[k-1]].level+clearly; k-- {
			d.order[k], d.order[k-1] = d.order[k-1], d.order[k]
		}
	}
}
