// Package liveness notices that a media server is lost, within two seconds, and has its sessions rebuilt. A Wrapper
// keeps a connection to every server: a process that dies closes it at once, a machine that dies stops answering its
// pings. That alone may be the network between the two, so it takes more to give a server up:
//
//	connection ends ---> dial again ---> the same instance answers: well
//	                        |----------> another one answers, or the port is closed: the Wrapper puts it on record;
//	                        |            lost once a majority of the living Wrappers say so
//	                        '----------> no answer: lost once no heartbeat has come for too long either
//
// Only time in which the store works counts as time without a heartbeat. Of all Wrappers that find a server lost one
// wins the claim, whose filter holds what the loss was concluded from; it puts a rebuild into the queue of every
// session that was there. It does not rebuild itself.
package liveness

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/mediaclient"
	"github.com/orkestro/orkestro/pkg/store"
)

// trustEvery is the pause between two looks whether a suspicion of ours is on record of a server that answers.
const trustEvery = time.Second

// Fleet is the servers as they were last seen.
type Fleet interface {
	Servers() []control.MediaServer
	Server(id control.MediaServerID) (control.MediaServer, bool)
	Heartbeat(id control.MediaServerID) (sent, seen time.Time)
	News() <-chan struct{}
}

// Dialer connects to a server by URL.
type Dialer interface {
	Connect(ctx context.Context, url string) (*mediaclient.Client, error)
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
	peers     *peers
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

// claim takes a loss upon us, if nobody has yet and what it was concluded from still holds; else [store.ErrGuard].
type claim func(ctx context.Context) error

// New is a monitor; Run starts it. self is the id of this Wrapper among wrappers.
func New(
	self string, f Fleet, d Dialer, st *store.Store, r Rebuilder, logger *slog.Logger,
) *Monitor {
	return &Monitor{
		fleet: f, dialer: d, servers: st.MediaServers, rebuilder: r, peers: newPeers(self, st.Wrappers.List),
		log: logger.With(slog.String(logging.KeyComponent, "liveness")), watched: map[instance]context.CancelFunc{},
	}
}

// Run watches until ctx ends.
func (m *Monitor) Run(ctx context.Context) {
	defer m.running.Wait()
	m.running.Go(func() { m.peers.run(ctx) })
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
			if server.Lost != server.Instance { // it has said goodbye, and nobody has seen to its sessions
				m.ended(ctx, one)
			}
			continue
		}
		present[one] = true
		if _, found := m.watched[one]; found {
			continue
		}
		watching, cancel := context.WithCancel(ctx)
		m.watched[one] = cancel
		m.running.Go(func() { m.watch(watching, ctx, one) })
	}
	for one, cancel := range m.watched {
		if present[one] {
			continue
		}
		cancel()
		delete(m.watched, one)
		if server, found := m.fleet.Server(one.id); found && server.Instance != one.instance {
			m.ended(ctx, one) // whether or not anybody saw it die
		}
	}
}

// ended claims an instance that ended itself, or whose place another one has taken.
func (m *Monitor) ended(ctx context.Context, one instance) {
	m.running.Go(func() {
		m.pursue(ctx, one, func(ctx context.Context) error { return m.servers.ClaimEnded(ctx, one.id, one.instance) })
	})
}

// watch sees to one instance until ctx ends. A claim that is won marks it as down, which ends watching: what follows
// has the context losses.
func (m *Monitor) watch(ctx, losses context.Context, one instance) {
	for ctx.Err() == nil {
		t := &trouble{Monitor: m, one: one, since: time.Now()}
		if client := t.see(ctx, losses); client != nil {
			m.attend(ctx, one, client, t.voted)
		}
	}
}

// pursue claims a loss; who is first has the sessions rebuilt.
func (m *Monitor) pursue(ctx context.Context, one instance, c claim) {
	err := c(ctx)
	if errors.Is(err, store.ErrGuard) {
		return
	}
	if err == nil {
		err = m.rebuilder.Lost(ctx, one.id, one.instance)
	}
	if err != nil && ctx.Err() == nil {
		// The next judgement tries again to claim, and the reconciliation finds what is left of the rest.
		m.log.Warn("loss of a media server not seen to yet", slog.String(logging.KeyServer, string(one.id)),
			slog.Any(logging.KeyError, err))
	}
}
