package rtc

import (
	"slices"
	"time"
)

// How lost packets are asked for: chosen, after what browsers do.
const (
	lossPatience = 10 * time.Millisecond  // a packet that is only late is not asked for
	lossRetry    = 100 * time.Millisecond // longer than most round trips
	lossAttempts = 10                     // then it would be too late for any receiver
	maxLost      = 256                    // lost at once; after more than that only a keyframe helps
)

// losses finds the packets that a feed lost and says when to ask for them again (RFC 4585 section 6.2.1). It has no
// timer of its own: a loss is noticed by the packet that follows. The goroutine that reads the feed owns it. Unlike an
// interceptor it sees packets that came again as RTX, so it does not go on asking for them.
type losses struct {
	started bool
	highest uint64
	missing []lostPacket // in order
}

type lostPacket struct {
	sequence uint64
	asked    int
	due      time.Time
}

// arrived notes a packet. It reports whether it is new, and whether so many are lost that asking is of no use.
func (l *losses) arrived(sequence uint64, now time.Time) (fresh, hopeless bool) {
	if !l.started {
		l.started, l.highest = true, sequence
		return true, false
	}
	if sequence <= l.highest {
		i, found := slices.BinarySearchFunc(l.missing, sequence, func(p lostPacket, s uint64) int {
			return int(int64(p.sequence - s))
		})
		if found {
			l.missing = slices.Delete(l.missing, i, i+1)
		}
		return found, false
	}
	gap := sequence - l.highest - 1
	if hopeless = gap+uint64(len(l.missing)) > maxLost; hopeless {
		l.missing = l.missing[:0]
	} else {
		for s := l.highest + 1; s < sequence; s++ {
			l.missing = append(l.missing, lostPacket{sequence: s, due: now.Add(lossPatience)})
		}
	}
	l.highest = sequence
	return true, hopeless
}

// due appends the packets to ask for at now to list.
func (l *losses) due(now time.Time, list []uint64) []uint64 {
	if len(l.missing) == 0 {
		return list
	}
	l.missing = slices.DeleteFunc(l.missing, func(p lostPacket) bool {
		return p.asked >= lossAttempts && !now.Before(p.due)
	})
	for i := range l.missing {
		if p := &l.missing[i]; !now.Before(p.due) {
			p.asked++
			p.due = now.Add(lossRetry)
			list = append(list, p.sequence)
		}
	}
	return list
}
