package rtc

import (
	"sync"
	"time"
)

// keyframeInterval is the least time between two requests to one publisher: chosen; a keyframe is several times the
// size of other frames, and one serves every receiver that joined meanwhile.
const keyframeInterval = 500 * time.Millisecond

// keyframes throttles requests for keyframes: the first goes out at once, those within the interval after it become one
// at its end. Safe for concurrent use.
type keyframes struct {
	send func() // called on a goroutine of its own, one at a time

	mu      sync.Mutex
	timer   *time.Timer // runs while the interval does
	wanted  bool        // a request waits for the timer
	closed  bool
	sending sync.WaitGroup
}

func newKeyframes(send func()) *keyframes { return &keyframes{send: send} }

func (k *keyframes) request() {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.closed:
	case k.timer != nil:
		k.wanted = true
	default:
		k.sendLocked()
	}
}

// sendLocked needs k.mu.
func (k *keyframes) sendLocked() {
	k.wanted = false
	k.timer = time.AfterFunc(keyframeInterval, k.intervalOver)
	k.sending.Go(k.send)
}

func (k *keyframes) intervalOver() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.timer = nil
	if k.wanted && !k.closed {
		k.sendLocked()
	}
}

// close waits for a request that is being sent.
func (k *keyframes) close() {
	k.mu.Lock()
	k.closed = true
	if k.timer != nil {
		k.timer.Stop()
	}
	k.mu.Unlock()
	k.sending.Wait()
}
