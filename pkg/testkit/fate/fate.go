// Package fate makes one process of a test mortal: it dies or freezes at a step that the test chooses, before or after
// anything that it does to the world. What stands between the process and the world asks [Fate.Pass] before each effect
// and once more when the effect is there: [Broker] does for a broker, package testkit/mongo for a database.
package fate

import (
	"errors"
	"slices"
	"sync"
)

// ErrDied is what a process gets for whatever it does after its death; nothing of that has an effect.
var ErrDied = errors.New("fate: this process died")

// End is how a life ends.
type End int

const (
	// Die means that it does nothing any more.
	Die End = iota
	// Stall means that it goes on where it was when it is let go.
	Stall
	// Freeze is as Stall, but it was away for so long that its broker has given it up and the time for what it was doing
	// is over: the one effect that it was about to make still happens, unless on the broker, and nothing after it.
	Freeze
)

// Never is a step that does not come.
const Never = -1

// Fate is the life of one process. Between lives everything passes. Safe for concurrent use.
type Fate struct {
	mu     sync.Mutex
	alive  bool // a life is being counted
	dead   bool
	at     int
	end    End
	steps  []string
	frozen chan struct{} // closed when it stalls or freezes
	thaw   chan struct{} // closed to let it go on
}

// Live begins a life that ends at a step, counted from 0.
func (f *Fate) Live(at int, end End) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.alive, f.dead, f.at, f.end, f.steps = true, false, at, end, nil
	f.frozen, f.thaw = make(chan struct{}), make(chan struct{})
}

// Over ends the life and gives its steps, the one at which it ended the last.
func (f *Fate) Over() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.alive, f.dead = false, false
	return slices.Clone(f.steps)
}

// Ended reports whether the step has come.
func (f *Fate) Ended() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at != Never && len(f.steps) > f.at
}

// Frozen is closed when the process stalls or freezes.
func (f *Fate) Frozen() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.frozen
}

// Thaw lets it go on. Once a life.
func (f *Fate) Thaw() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.thaw)
}

// Pass is one step. Errors: [ErrDied].
func (f *Fate) Pass(step string) error {
	thaw, err := f.pass(step)
	if thaw != nil {
		<-thaw
	}
	return err
}

// gaveUp reports whether the broker has given the process up.
func (f *Fate) gaveUp() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dead
}

func (f *Fate) pass(step string) (thaw <-chan struct{}, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead {
		return nil, ErrDied
	}
	if !f.alive {
		return nil, nil
	}
	f.steps = append(f.steps, step)
	if len(f.steps) != f.at+1 {
		return nil, nil
	}
	if f.end == Die {
		f.dead = true
		return nil, ErrDied
	}
	f.dead = f.end == Freeze
	close(f.frozen)
	return f.thaw, nil
}

// Do is an effect with the step before and the step after it.
func (f *Fate) Do(what string, effect func() error) error {
	_, err := Get(f, what, func() (struct{}, error) { return struct{}{}, effect() })
	return err
}

// Get is [Fate.Do] for an effect with a result.
func Get[T any](f *Fate, what string, effect func() (T, error)) (T, error) {
	var none T
	if err := f.Pass("before " + what); err != nil {
		return none, err
	}
	result, err := effect()
	if died := f.Pass("after " + what); died != nil {
		return none, died
	}
	return result, err
}
