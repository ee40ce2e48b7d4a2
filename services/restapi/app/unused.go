package app

import (
	"net"
	"net/http"
	"sync"
)

// unused is the connections on which nothing was asked yet. Clients open some in advance, and a server that shuts down
// would wait five seconds for the first request of each. Safe for concurrent use.
type unused struct {
	mu          sync.Mutex
	connections map[net.Conn]struct{}
}

func newUnused() *unused { return &unused{connections: map[net.Conn]struct{}{}} }

// note is for http.Server.ConnState.
func (u *unused) note(c net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if state == http.StateNew {
		u.connections[c] = struct{}{}
	} else {
		delete(u.connections, c)
	}
}

// close closes them.
func (u *unused) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for c := range u.connections {
		_ = c.Close() // nobody is waiting for anything on it
	}
}
