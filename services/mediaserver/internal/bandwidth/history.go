package bandwidth

import (
	"sync/atomic"
	"time"
)

// historySize is how many packets of a connection are remembered until the client reports them: chosen; 400 ms at 5,000
// packets a second. It divides 65536.
const historySize = 2048

// History remembers the size and time of the packets that a connection sent, and gives them their transport-wide
// sequence numbers (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 2). Any number of goroutines may add to
// it at the same moment without waiting for each other; an [Estimator] takes out of it. The zero value is ready.
type History struct {
	next  atomic.Uint32
	bytes atomic.Uint64
	slots [historySize]atomic.Uint64
}

// What a slot holds, from the lowest bit: whether it is used and was reported lost, the upper bits of the sequence
// number, the size in bytes and the time in microseconds since 1970, of which what does not fit is left away: it is
// only compared with times of the same minutes.
const (
	slotUsed     = 1 << 0
	slotLost     = 1 << 1
	slotLap      = 2
	slotSize     = slotLap + 5 // 65536 / historySize needs 5 bits
	slotTime     = slotSize + 13
	slotMaxSize  = 1<<13 - 1
	slotTimeBits = 64 - slotTime
)

// Add notes a packet of size bytes that leaves at the given time and returns its number.
func (h *History) Add(size int, at time.Time) uint16 {
	sequence := uint16(h.next.Add(1))
	lap := uint64(sequence) / historySize
	h.slots[sequence%historySize].Store(
		slotUsed | lap<<slotLap | uint64(min(size, slotMaxSize))<<slotSize | uint64(at.UnixMicro())<<slotTime)
	h.bytes.Add(uint64(size))
	return sequence
}

// Bytes is how many bytes were added so far.
func (h *History) Bytes() uint64 { return h.bytes.Load() }

// sent is a packet that was added and is not known to have arrived.
type sent struct {
	at   time.Duration // since 1970, modulo 2^44 µs
	size int
	lost bool // it was reported lost before
}

// take finds a packet that is reported. One that has arrived is found only once.
func (h *History) take(sequence uint16, arrived bool) (sent, bool) {
	slot := &h.slots[sequence%historySize]
	value := slot.Load()
	lap := uint64(sequence) / historySize
	if value&slotUsed == 0 || value>>slotLap&(1<<(slotSize-slotLap)-1) != lap {
		return sent{}, false
	}
	var next uint64
	if !arrived {
		next = value | slotLost
	}
	if !slot.CompareAndSwap(value, next) {
		return sent{}, false // overwritten by a packet that left just now
	}
	return sent{
		at:   time.Duration(value>>slotTime) * time.Microsecond,
		size: int(value >> slotSize & slotMaxSize),
		lost: value&slotLost != 0,
	}, true
}

// clock is at in the time of [sent].
func clock(at time.Time) time.Duration {
	return time.Duration(uint64(at.UnixMicro())&(1<<slotTimeBits-1)) * time.Microsecond
}
