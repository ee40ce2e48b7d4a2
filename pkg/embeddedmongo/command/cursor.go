package command

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/engine"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
)

const (
	cursorIdleTime   = 10 * time.Minute // as a real server
	cursorSweep      = time.Minute
	maxCursors       = 10_000
	firstBatchSize   = 101      // documents, when the command does not say; as a real server
	maxBatchBytes    = 16 << 20 // of documents
	maxStreamBatch   = 1_000    // events
	defaultAwaitTime = time.Second
	maxAwaitTime     = 30 * time.Second // a client that is gone is noticed only after its wait
)

// source is what a cursor reads from. It is used by one goroutine at a time.
type source interface {
	// next is up to limit documents; where there are none yet, a change stream waits. done: there will be no more.
	next(ctx context.Context, limit int, wait time.Duration) (docs []bson.Raw, done bool, err error)
	// token is where a change stream stands now, nil for any other source.
	token() bson.D
}

// cursor is a source that a client reads batch by batch. It holds a context because killing it ends a wait in progress.
type cursor struct {
	id     int64
	ns     engine.Namespace
	source source
	turn   chan struct{}   // holds one token: who takes it may use source
	used   time.Time       // guarded by cursors.mu
	life   context.Context //nolint:containedctx // see above; ends when the cursor is killed
	kill   context.CancelFunc
}

// cursors is the open cursors of all clients; it owns a goroutine that closes idle ones. Safe for concurrent use.
type cursors struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu   sync.Mutex
	open map[int64]*cursor
}

func newCursors() *cursors {
	ctx, cancel := context.WithCancel(context.Background())
	c := &cursors{cancel: cancel, open: map[int64]*cursor{}}
	c.done.Go(func() { c.sweepLoop(ctx) })
	return c
}

func (c *cursors) close() {
	c.cancel()
	c.done.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, open := range c.open {
		delete(c.open, id)
		open.kill()
	}
}

// add opens a cursor.
func (c *cursors) add(ns engine.Namespace, s source) (*cursor, error) {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, fmt.Errorf("make a cursor id: %w", err)
	}
	id := int64(binary.LittleEndian.Uint64(random[:])>>1) | 1 // positive, and 0 means no cursor
	opened := &cursor{id: id, ns: ns, source: s, turn: make(chan struct{}, 1), used: time.Now()}
	opened.life, opened.kill = context.WithCancel(context.Background())
	opened.turn <- struct{}{}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.open) >= maxCursors {
		opened.kill()
		return nil, fault.New(fault.TooManyOpenCursors, "more than %d open cursors", maxCursors)
	}
	c.open[id] = opened
	return opened, nil
}

// get is the open cursor of that id.
func (c *cursors) get(id int64, ns engine.Namespace) (*cursor, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.open[id]
	if found == nil || found.ns != ns {
		return nil, fault.New(fault.CursorNotFound, "cursor id %d not found", id)
	}
	found.used = time.Now()
	return found, nil
}

// kill closes a cursor and tells whether it was open.
func (c *cursors) kill(id int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.open[id]
	if found == nil {
		return false
	}
	delete(c.open, id)
	found.kill()
	return true
}

func (c *cursors) sweepLoop(ctx context.Context) {
	ticker := time.NewTicker(cursorSweep)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			for _, id := range c.idle(now) {
				c.kill(id)
			}
		}
	}
}

func (c *cursors) idle(now time.Time) []int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []int64
	for id, open := range c.open {
		if now.Sub(open.used) > cursorIdleTime {
			ids = append(ids, id)
		}
	}
	return ids
}

// read is the next batch. The cursor is closed when it is done or fails.
func (c *cursors) read(ctx context.Context, open *cursor, limit int, wait time.Duration) ([]bson.Raw, bool, error) {
	select {
	case <-open.turn:
	default:
		return nil, false, fault.New(fault.ConflictingOperationInProgress, "cursor id %d is in use", open.id)
	}
	defer func() { open.turn <- struct{}{} }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(open.life, cancel) //nolint:contextcheck // a kill comes from another command
	defer stop()
	docs, done, err := open.source.next(ctx, limit, wait)
	if done || err != nil {
		c.kill(open.id)
	}
	return docs, done, err
}

// list is the source over documents that are already there.
type list struct{ docs []bson.D }

func (l *list) next(_ context.Context, limit int, _ time.Duration) ([]bson.Raw, bool, error) {
	var batch []bson.Raw
	size := 0
	for len(l.docs) > 0 && len(batch) < limit {
		raw, err := bson.Marshal(l.docs[0])
		if err != nil {
			return nil, false, fmt.Errorf("encode document: %w", err)
		}
		if size += len(raw); size > maxBatchBytes && len(batch) > 0 {
			break
		}
		batch = append(batch, raw)
		l.docs = l.docs[1:]
	}
	return batch, len(l.docs) == 0, nil
}

func (l *list) token() bson.D { return nil }
