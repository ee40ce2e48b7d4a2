// Package liveness notices that a media server is lost, within two seconds, and has its sessions rebuilt. A Wrapper
// keeps a connection to every server: a process that dies closes it at once, a machine that dies stops answering its
// pings.
//
//	connection ends ---> dial again ---> the same instance answers: well
//	                        |----------> another instance answers, or the port is closed: lost
//	                        '----------> no answer: lost once the heartbeat is stale too
//
// Of all Wrappers that notice one wins the claim; it puts a rebuild into the queue of every session that was there. It
// does not rebuild itself.
package liveness

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/mediaclient"
	"github.com/orkestro/orkestro/pkg/store"
)

const (
	// heartbeatStale: two missed heartbeats, of one second each.
	heartbeatStale = 2 * time.Second
	// retryEvery is the pause between two attempts to reach a server that does not answer.
	retryEvery = 200 * time.Millisecond
)

// Fleet is the servers as they were last seen.
type Fleet interface {
	Servers() []control.MediaServer
	Server(id control.MediaServerID) (control.MediaServer, bool)
	News() <-chan struct{}
}

// Dialer connects to a server by URL.
type Dialer interface {
	Connect(ctx context.Context, url string) (*mediaclient.Client, error)
	Forget(url string)
}

// Rebuilder sees to the sessions of a lost instance.
type Rebuilder interface {
	Lost(ctx context.Context, id control.MediaServerID, instance control.InstanceID) error
}

// Monitor watches every server with one goroutine each. Run owns them.
type Monitor struct {
	fleet     Fleet
	dialer    Dialer
	servers   *store.MediaServers
	rebuilder Rebuilder
	log       *slog.Logger

	watched map[instance]context.CancelFunc // of Run's goroutine
	running sync.WaitGroup
}

// instance is one life of a server at one address.
type instance struct {
	id       control.MediaServerID
	instance control.InstanceID
	url      string
}

// New is a monitor; Run starts it.
func New(f Fleet, d Dialer, servers *store.MediaServers, r Rebuilder, logger *slog.Logger) *Monitor {
	return &Monitor{
		fleet: f, dialer: d, servers: servers, rebuilder: r,
		log: logger.With(slog.String(logging.KeyComponent, "liveness")), watched: map[instance]context.CancelFunc{},
	}
}

// Run watches until ctx ends.
func (m *Monitor) Run(ctx context.Context) {
	defer m.running.Wait()
	for {
		m.follow(ctx)
		select {
		case <-ctx.Done():
			return
		case <-m.fleet.News():
		}
	}
}

// follow starts to watch what is new and stops watching what is no longer there, or known to be down.
func (m *Monitor) follow(ctx context.Context) {
	present := map[instance]bool{}
	for _, server := range m.fleet.Servers() {
		one := instance{server.ID, server.Instance, server.URL}
		if server.Status == control.StatusDown {
			continue
		}
		present[one] = true
		if _, found := m.watched[one]; found {
			continue
		}
		watching, cancel := context.WithCancel(ctx)
		m.watched[one] = cancel
		m.running.Go(func() {
			if m.waitLost(watching, one) {
				// The claim marks the server as down, which ends watching: what follows must not end with it.
				m.claim(ctx, one)
			}
		})
	}
	for one, cancel := range m.watched {
		if present[one] {
			continue
		}
		cancel()
		delete(m.watched, one)
		m.replaced(ctx, one)
	}
}

// replaced claims an instance whose place another one has taken: it is lost, whether or not anybody saw it die.
func (m *Monitor) replaced(ctx context.Context, one instance) {
	server, found := m.fleet.Server(one.id)
	if found && server.Instance != one.instance {
		m.claim(ctx, one)
	}
}

// waitLost waits for one instance to be lost; false when ctx ends before that.
func (m *Monitor) waitLost(ctx context.Context, one instance) bool {
	for ctx.Err() == nil {
		client, err := m.dialer.Connect(ctx, one.url)
		if err == nil && client.Instance() == one.instance {
			select {
			case <-ctx.Done():
			case <-client.Closed():
			}
			continue
		}
		if ctx.Err() == nil && m.isLost(one, err) {
			return true
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryEvery/2 + rand.N(retryEvery)): //nolint:gosec // jitter needs no secrecy
		}
	}
	return false
}

// isLost judges a failed attempt: err is nil when another instance answered.
func (m *Monitor) isLost(one instance, err error) bool {
	if err == nil {
		return true
	}
	server, found := m.fleet.Server(one.id)
	silent := time.Since(server.HeartbeatAt)
	// A port that is closed says that the process is gone, unless it is only just starting: then it has a fresh
	// heartbeat after it was seen first.
	return found && (errors.Is(err, syscall.ECONNREFUSED) || silent > heartbeatStale)
}

// claim says that an instance is lost; who is first has its sessions rebuilt.
func (m *Monitor) claim(ctx context.Context, one instance) {
	err := m.servers.ClaimLoss(ctx, one.id, one.instance)
	if errors.Is(err, store.ErrGuard) {
		return
	}
	if err == nil {
		m.log.Warn("media server lost, rebuilding its sessions",
			slog.String(logging.KeyServer, string(one.id)), slog.String(logging.KeyInstance, string(one.instance)))
		err = m.rebuilder.Lost(ctx, one.id, one.instance)
	}
	if err != nil && ctx.Err() == nil {
		// The reconciliation finds what is left.
		m.log.Warn("loss of a media server not seen to yet", slog.String(logging.KeyServer, string(one.id)),
			slog.Any(logging.KeyError, err))
	}
}
