package placement

import (
	"slices"
	"sync"

	"github.com/orkestro/orkestro/pkg/control"
)

// Places counts what this process has chosen and the store not yet reserved, so that a hundred choices of the same
// moment do not all fall on one server. Safe for concurrent use.
type Places struct {
	mu      sync.Mutex
	pending map[control.MediaServerID]int64
}

// NewPlaces counts nothing yet.
func NewPlaces() *Places { return &Places{pending: map[control.MediaServerID]int64{}} }

// Choose is [Choose] that counts its choice until settle is called: when the reservation can be seen, or has failed.
func (p *Places) Choose(
	servers []control.MediaServer, r Request,
) (chosen control.MediaServer, settle func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	servers = slices.Clone(servers)
	for i := range servers {
		servers[i].Placed += p.pending[servers[i].ID]
	}
	chosen, err = Choose(servers, r)
	if err != nil {
		return chosen, nil, err
	}
	p.pending[chosen.ID]++
	return chosen, sync.OnceFunc(func() { p.settle(chosen.ID) }), nil
}

func (p *Places) settle(id control.MediaServerID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending[id]--; p.pending[id] == 0 {
		delete(p.pending, id)
	}
}
