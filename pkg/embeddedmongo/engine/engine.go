// Package engine holds databases in memory: collections with indexes, and one log of all changes that change streams
// read. The command package calls it; it knows documents and namespaces, no wire protocol, no cursors, no reply formats.
//
// Stored documents are never altered: an update stores a new one. Readers, changes and cursors therefore share them
// without locks or copies. One mutex orders all writes, and with that the log; what one command wrote is one entry of
// the journal, when there is one, so that after a crash all of it is there or nothing.
package engine

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
)

// Config says how an engine keeps its data.
type Config struct {
	// ExpirePeriod is how often documents past their TTL index are looked for; 0 is [DefaultExpirePeriod].
	ExpirePeriod time.Duration
	// MaxChanges and MaxChangeBytes bound what change streams can resume from; 0 means the defaults.
	MaxChanges     int
	MaxChangeBytes int
}

// Defaults of [Config].
const (
	DefaultExpirePeriod   = 5 * time.Second
	DefaultMaxChanges     = 50_000   // all collections together
	DefaultMaxChangeBytes = 64 << 20 // of documents
)

// Engine is a set of databases. Safe for concurrent use. [Engine.Close] ends its goroutine.
type Engine struct {
	log     *slog.Logger
	changes *Log
	cancel  context.CancelFunc
	done    sync.WaitGroup

	mu          sync.RWMutex
	collections map[Namespace]*collection
	retries     retries
	clock       Time // of the newest write
}

// Open starts an engine without data.
func Open(cfg Config, log *slog.Logger) (*Engine, error) {
	e := &Engine{log: log, collections: map[Namespace]*collection{}, retries: newRetries()}
	changes, err := newLog(orDefault(cfg.MaxChanges, DefaultMaxChanges), orDefault(cfg.MaxChangeBytes, DefaultMaxChangeBytes))
	if err != nil {
		return nil, err
	}
	e.changes, e.clock = changes, changes.Visible()
	ctx, cancel := context.WithCancel(context.Background())
	e.cancel = cancel
	e.done.Go(func() { e.expireLoop(ctx, orDefault(cfg.ExpirePeriod, DefaultExpirePeriod)) })
	return e, nil
}

func orDefault[T ~int | ~int64](value, fallback T) T {
	if value > 0 {
		return value
	}
	return fallback
}

// Close ends the engine; commands that wait get ShutdownInProgress.
func (e *Engine) Close() error {
	e.cancel()
	e.done.Wait()
	e.changes.fail(fault.New(fault.ShutdownInProgress, "the store is shutting down"))
	return nil
}

// Changes is the log that change streams read.
func (e *Engine) Changes() *Log { return e.changes }

// Namespace names a collection, or with an empty Collection a database.
type Namespace struct {
	DB         string
	Collection string
}

// String is "database.collection".
func (n Namespace) String() string { return fmt.Sprintf("%s.%s", n.DB, n.Collection) }
