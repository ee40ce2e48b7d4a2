package fleet

import (
	"context"
	"errors"
	"sync"
	"time"

	mediaserver "github.com/orkestro/orkestro/services/mediaserver/app"
)

// restTime is how long a killed media server is away, as an orchestrator would need to start it again. Chosen: long
// enough to see its sessions on the other one first.
const restTime = 5 * time.Second

// State is what a media server is doing.
type State string

// States of a media server.
const (
	Starting State = "starting"
	Running  State = "running"
	Killed   State = "killed" // it starts again by itself
)

// MediaServer is a media server of the fleet, which may be killed. Safe for concurrent use.
type MediaServer struct {
	id    string
	serve func(ctx context.Context, listen string, listening func(address string)) error
	wake  chan struct{} // ends the rest of a killed server

	mu       sync.Mutex
	address  string // to listen on; with its port once that is known, for all lives
	state    State
	kill     context.CancelCauseFunc
	startsAt time.Time // while it is killed
}

// ID is the server's id in the fleet.
func (m *MediaServer) ID() string { return m.id }

// URL is where it serves the Kurento Protocol.
func (m *MediaServer) URL() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return "ws://" + m.address + "/kurento"
}

// State is what it is doing, and for a killed one the time until it starts again.
func (m *MediaServer) State() (State, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state != Killed {
		return m.state, 0
	}
	return m.state, max(0, time.Until(m.startsAt))
}

// Kill ends the server as SIGKILL ends a process, and reports whether there was one to kill.
func (m *MediaServer) Kill() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state != Running {
		return false
	}
	m.state, m.startsAt = Killed, time.Now().Add(restTime)
	m.kill(mediaserver.ErrKilled)
	return true
}

// Start starts a killed server now rather than later, and reports whether it was one.
func (m *MediaServer) Start() bool {
	if state, _ := m.State(); state != Killed {
		return false
	}
	select {
	case m.wake <- struct{}{}:
	default: // it is waking up already
	}
	return true
}

// run lives one life after the other until ctx ends or one ends otherwise than by being killed.
func (m *MediaServer) run(ctx context.Context, listening func(address string)) error {
	for {
		if err := m.live(ctx, listening); !errors.Is(err, mediaserver.ErrKilled) {
			return err
		}
		if !m.rest(ctx) {
			return nil
		}
	}
}

// rest waits until a killed server is to start again; false when ctx ended before.
func (m *MediaServer) rest(ctx context.Context) bool {
	timer := time.NewTimer(restTime)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-m.wake:
		return true
	case <-ctx.Done():
		return false
	}
}

func (m *MediaServer) live(ctx context.Context, listening func(address string)) error {
	ctx, kill := context.WithCancelCause(ctx)
	defer kill(nil)
	select {
	case <-m.wake: // of the rest before
	default:
	}
	m.mu.Lock()
	m.state, m.kill = Starting, kill
	address := m.address
	m.mu.Unlock()
	return m.serve(ctx, freeOr(ctx, address), func(address string) {
		m.mu.Lock()
		m.state, m.address = Running, address
		m.mu.Unlock()
		listening(address)
	})
}
