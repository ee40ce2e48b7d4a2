package rtc

import (
	"sync"
	"time"
)

// Bounds of how often one packet is sent again to one receiver: chosen. A receiver that never sees it, or that does not
// know that it came by RTX (Pion's clients), asks for it every tenth of a second.
const (
	maxRepeats    = 4
	repeatsMemory = 5 * time.Second
)

// repeats counts how often packets were sent again lately. Safe for concurrent use.
type repeats struct {
	mu   sync.Mutex
	last *[64]repeated // by sequence number; nil: nothing was lost yet
}

type repeated struct {
	sequence uint16
	times    uint8
	since    time.Time
}

// take reports whether a packet may be sent again, and counts it if so.
func (r *repeats) take(sequence uint16, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil {
		r.last = &[64]repeated{}
	}
	slot := &r.last[int(sequence)%len(r.last)]
	if slot.sequence != sequence || now.Sub(slot.since) > repeatsMemory {
		*slot = repeated{sequence: sequence, since: now}
	}
	if slot.times == maxRepeats {
		return false
	}
	slot.times++
	return true
}
