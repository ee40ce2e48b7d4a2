// Package engine holds databases in memory: collections with indexes, and one log of all changes that change streams
// read. The command package calls it; it knows documents and namespaces, no wire protocol, no cursors, no replies.
//
// Stored documents are never altered: an update stores a new one. Readers, changes and cursors therefore share them
// without locks or copies. One mutex orders all writes, and with that the log; what one command wrote is one entry of
// the journal, when there is one, so that after a crash all of it is there or nothing.
package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/journal"
	"github.com/orkestro/orkestro/pkg/logging"
)

// Config says how an engine keeps its data.
type Config struct {
	// Dir is where the data is kept; "" keeps it in memory only.
	Dir string
	// CompactBytes is how long the log may get before a snapshot takes its place; 0 is 64 MiB.
	CompactBytes int64
	// CompactPeriod is how often that is looked at; 0 is 5 s.
	CompactPeriod time.Duration
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
	journal *journal.Journal // nil: in memory only
	cancel  context.CancelFunc
	done    sync.WaitGroup // the goroutines that change data
	writing sync.WaitGroup // the one that makes it durable, and ends after them

	mu          sync.RWMutex
	collections map[Namespace]*collection
	retries     retries
	clock       Time // of the newest write
}

// Open starts an engine with what cfg.Dir holds.
func Open(cfg Config, log *slog.Logger) (*Engine, error) {
	changes, err := newLog(
		orDefault(cfg.MaxChanges, DefaultMaxChanges), orDefault(cfg.MaxChangeBytes, DefaultMaxChangeBytes))
	if err != nil {
		return nil, err
	}
	e := &Engine{log: log, changes: changes, collections: map[Namespace]*collection{}, retries: newRetries()}
	e.clock = changes.Visible()
	ctx, cancel := context.WithCancel(context.Background())
	e.cancel = cancel
	if cfg.Dir != "" {
		if err := e.openJournal(ctx, cfg); err != nil {
			cancel()
			return nil, err
		}
	}
	e.clock = e.clock.next(time.Now()) // operationTime of a store that nobody has written to lies within the log
	changes.show(e.clock)
	e.done.Go(func() { e.expireLoop(ctx, orDefault(cfg.ExpirePeriod, DefaultExpirePeriod)) })
	return e, nil
}

func (e *Engine) openJournal(ctx context.Context, cfg Config) error {
	j, err := journal.Open(cfg.Dir)
	if err != nil {
		return err
	}
	if err := e.load(j); err != nil {
		return errors.Join(err, j.Release())
	}
	e.journal = j
	e.writing.Go(func() {
		if err := j.Run(func(mark uint64) { e.changes.show(Time(mark)) }); err != nil {
			e.log.Error("nothing can be written any more", logging.KeyError, err)
			e.changes.fail(err)
		}
	})
	e.done.Go(func() {
		e.compactLoop(ctx, orDefault(cfg.CompactPeriod, compactPeriod), orDefault(cfg.CompactBytes, defaultCompactBytes))
	})
	return nil
}

func orDefault[T ~int | ~int64](value, fallback T) T {
	if value > 0 {
		return value
	}
	return fallback
}

// Close ends the engine after what was written is durable; commands that wait get ShutdownInProgress.
func (e *Engine) Close() error {
	e.cancel()
	e.done.Wait()
	var err error
	if e.journal != nil {
		e.journal.Close()
		e.writing.Wait()
		err = e.journal.Release()
	}
	e.changes.fail(fault.New(fault.ShutdownInProgress, "the store is shutting down"))
	return err
}

// Changes is the log that change streams read.
func (e *Engine) Changes() *Log { return e.changes }

// Namespace names a collection, or with an empty Collection a database.
type Namespace struct {
	DB         string
	Collection string
}

// String is "database.collection".
func (n Namespace) String() string { return n.DB + "." + n.Collection }
