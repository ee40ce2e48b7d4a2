package store

import (
	"log/slog"
	"sync"

	"github.com/orkestro/orkestro/pkg/control"
)

// schemas says, once for each collection, that a document of a newer release has been read. It is used all the same:
// what this release does not know of it, its partial updates leave alone. Safe for concurrent use.
type schemas struct {
	log *slog.Logger

	mu   sync.Mutex
	told map[string]bool
}

func newSchemas() *schemas {
	return &schemas{log: slog.New(slog.DiscardHandler), told: map[string]bool{}}
}

// read takes note of a document that was read.
func (s *schemas) read(collection, id string, schema int) {
	if schema <= control.Schema {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told[collection] {
		return
	}
	s.told[collection] = true
	s.log.Warn("documents of a newer release are read as far as they are known", slog.String("collection", collection),
		slog.String("id", id), slog.Int("schema", schema), slog.Int("known", control.Schema))
}
