// Package fleet is what this Wrapper knows of the media servers: how they were last seen, and a connection to each. The
// session logic places pipelines and calls servers through it, package liveness watches its connections. It decides
// nothing.
package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/mediaclient"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

// Fleet follows the collection of media servers (it is a store.MediaServerWatcher). Safe for concurrent use.
type Fleet struct {
	pool *mediaclient.Pool
	news chan struct{} // one token while there is a change that nobody has looked at

	mu      sync.Mutex
	servers map[control.MediaServerID]sight
}

// sight is one server as it was last seen. At is when its heartbeat was last seen to change, by our own clock: clocks
// of two machines do not agree.
type sight struct {
	server control.MediaServer
	at     time.Time
}

// New knows of no server yet.
func New(pool *mediaclient.Pool) *Fleet {
	return &Fleet{pool: pool, news: make(chan struct{}, 1), servers: map[control.MediaServerID]sight{}}
}

// News has a value when a server came, went, or was seen in another instance or status since the last one was taken.
func (f *Fleet) News() <-chan struct{} { return f.news }

// Reset takes the list of all servers.
func (f *Fleet) Reset(servers []control.MediaServer) {
	f.mu.Lock()
	known := f.servers
	f.servers = make(map[control.MediaServerID]sight, len(servers))
	for _, server := range servers {
		if old, found := known[server.ID]; found {
			f.servers[server.ID] = old
		}
		f.sawLocked(server)
	}
	f.mu.Unlock()
	f.signal()
}

// Saw takes the places that are taken on a server, as a reservation has just found them: the next choice counts it
// before the news of it is here. Nothing else of that sight counts, for news of later may have been faster.
func (f *Fleet) Saw(server control.MediaServer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s, found := f.servers[server.ID]; found && s.server.Instance == server.Instance {
		s.server.Placed = max(s.server.Placed, server.Placed)
		f.servers[server.ID] = s
	}
}

// Changed takes a change of one server.
func (f *Fleet) Changed(server control.MediaServer) {
	f.mu.Lock()
	signal := f.sawLocked(server)
	f.mu.Unlock()
	if signal {
		f.signal()
	}
}

// sawLocked reports whether the server is another one than before to those who watch it; f.mu is held.
func (f *Fleet) sawLocked(server control.MediaServer) bool {
	old, found := f.servers[server.ID]
	next := sight{server: server, at: old.at}
	if !found || old.server.Instance != server.Instance || !old.server.HeartbeatAt.Equal(server.HeartbeatAt) {
		next.at = time.Now()
	}
	f.servers[server.ID] = next
	return !found || old.server.Instance != server.Instance || old.server.Status != server.Status ||
		old.server.URL != server.URL
}

// Removed forgets a server.
func (f *Fleet) Removed(id control.MediaServerID) {
	f.mu.Lock()
	delete(f.servers, id)
	f.mu.Unlock()
	f.signal()
}

func (f *Fleet) signal() {
	select {
	case f.news <- struct{}{}:
	default:
	}
}

// Servers lists the servers by id as they were last seen. HeartbeatAt is by our own clock. One that we do not reach is
// suspect, whatever others say.
func (f *Fleet) Servers() []control.MediaServer {
	f.mu.Lock()
	list := make([]control.MediaServer, 0, len(f.servers))
	for _, s := range f.servers {
		s.server.HeartbeatAt = s.at
		list = append(list, s.server)
	}
	f.mu.Unlock()
	for i := range list {
		if list[i].Status == control.StatusUp && f.pool.Failing(list[i].URL) {
			list[i].Status = control.StatusSuspect
		}
	}
	slices.SortFunc(list, func(a, b control.MediaServer) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return list
}

// Server finds one server as it was last seen.
func (f *Fleet) Server(id control.MediaServerID) (control.MediaServer, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, found := f.servers[id]
	s.server.HeartbeatAt = s.at
	return s.server, found
}

// Heartbeat is the last one of a server: when it was sent, by the server's clock, and when it was seen here, by ours.
func (f *Fleet) Heartbeat(id control.MediaServerID) (sent, seen time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.servers[id]
	return s.server.HeartbeatAt, s.at
}

// Connect is the connection to a server. Errors: [session.ErrOutOfReach] when it cannot be reached, or another instance
// than the one that is registered answers.
func (f *Fleet) Connect(ctx context.Context, id control.MediaServerID) (*mediaclient.Client, error) {
	server, found := f.Server(id)
	if !found {
		return nil, control.Errorf(control.CodeUnavailable, "media server %s is not known", id)
	}
	client, err := f.pool.Connect(ctx, server.URL)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", session.ErrOutOfReach, err)
	}
	if client.Instance() != server.Instance {
		return nil, fmt.Errorf("%w: media server %s has restarted", session.ErrOutOfReach, id)
	}
	return client, nil
}

// Media is Connect for the session logic.
func (f *Fleet) Media(ctx context.Context, id control.MediaServerID) (session.Media, error) {
	client, err := f.Connect(ctx, id)
	if err != nil {
		return nil, err
	}
	return media{client}, nil
}
