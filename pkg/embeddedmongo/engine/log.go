package engine

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/update"
)

// Time is a cluster time: seconds since 1970 in the upper half, a counter in the lower. Every change has its own, so it
// is also the position in the log.
type Time uint64

// Timestamp is the time as BSON has it.
func (t Time) Timestamp() primitive.Timestamp {
	return primitive.Timestamp{T: uint32(t >> 32), I: uint32(t)}
}

// TimeOf is the reverse of [Time.Timestamp].
func TimeOf(ts primitive.Timestamp) Time { return Time(ts.T)<<32 | Time(ts.I) }

// next is the time of a write after t.
func (t Time) next(now time.Time) Time { return max(t, Time(now.Unix())<<32) + 1 }

// Kind is what happened, in the words of a change stream's operationType.
type Kind string

// The kinds of change. KindIndexes is for the journal; change streams do not show it.
const (
	KindInsert       Kind = "insert"
	KindUpdate       Kind = "update"
	KindReplace      Kind = "replace"
	KindDelete       Kind = "delete"
	KindCreate       Kind = "create"
	KindDrop         Kind = "drop"
	KindDropDatabase Kind = "dropDatabase"
	KindIndexes      Kind = "indexes"
)

// Change is one thing that happened to a namespace. Its documents are shared and must not be altered.
type Change struct {
	At         Time
	Kind       Kind
	Namespace  Namespace
	ID         any    // of the document
	Document   bson.D // after the change; of KindIndexes and KindCreate: the collection's settings
	Difference update.Difference
	raw        bson.Raw // Document in bytes
}

// Log is the recent changes in their order. What is older than its bounds is forgotten. Safe for concurrent use.
type Log struct {
	id                   [8]byte
	maxChanges, maxBytes int

	mu      sync.Mutex
	changes []Change
	bytes   int
	floor   Time          // the newest change that is no longer held
	visible Time          // up to here changes are durable, and shown
	wake    chan struct{} // closed when visible moves or the log fails
	failure error
}

func newLog(maxChanges, maxBytes int) (*Log, error) {
	l := &Log{maxChanges: maxChanges, maxBytes: maxBytes, wake: make(chan struct{})}
	if _, err := rand.Read(l.id[:]); err != nil {
		return nil, fmt.Errorf("make a log id: %w", err)
	}
	l.floor = Time(time.Now().Unix()) << 32
	l.visible = l.floor
	return l, nil
}

// ID tells this log from any other; a position is worth nothing in another log.
func (l *Log) ID() [8]byte { return l.id }

// Visible is the time of the newest change that is shown.
func (l *Log) Visible() Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.visible
}

// Read is up to limit changes after a position. Where there are none, wake is closed as soon as that may have changed.
// A position that the log no longer reaches back to, or has not come to yet, is ChangeStreamHistoryLost.
func (l *Log) Read(after Time, limit int) (changes []Change, wake <-chan struct{}, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return nil, nil, l.failure
	}
	if after < l.floor || after > l.visible {
		return nil, nil, historyLost()
	}
	first := l.search(after + 1)
	end := min(first+limit, l.search(l.visible+1))
	return slices.Clone(l.changes[first:end]), l.wake, nil
}

// Before is the position from which the changes at t and later follow.
func (l *Log) Before(t Time) (Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t <= l.floor {
		return 0, historyLost()
	}
	if first := l.search(t); first > 0 {
		return min(l.changes[first-1].At, l.visible), nil
	}
	return l.floor, nil
}

func historyLost() error {
	lost := fault.New(fault.ChangeStreamHistoryLost,
		"Resume of change stream was not possible, as the resume point may no longer be in the oplog.")
	lost.Labels = []string{"NonResumableChangeStreamError"}
	return lost
}

// search is the index of the first change at t or later. Needs mu.
func (l *Log) search(t Time) int {
	return sort.Search(len(l.changes), func(i int) bool { return l.changes[i].At >= t })
}

// restore makes this the log of that id, which begins after floor.
func (l *Log) restore(id []byte, floor Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	copy(l.id[:], id)
	l.floor, l.visible = floor, floor
}

// append adds changes that are not shown yet.
func (l *Log) append(changes []Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range changes {
		l.bytes += len(changes[i].raw)
	}
	l.changes = append(l.changes, changes...)
	drop := 0
	for len(l.changes)-drop > l.maxChanges || (l.bytes > l.maxBytes && drop < len(l.changes)-1) {
		l.bytes -= len(l.changes[drop].raw)
		l.floor = l.changes[drop].At
		l.changes[drop] = Change{} // what was in it may go now, not when the slice is next copied
		drop++
	}
	l.changes = l.changes[drop:]
}

// show makes everything up to t visible.
func (l *Log) show(t Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t > l.visible {
		l.visible = t
		l.broadcast()
	}
}

// fail ends the log: everybody who waits, or will, gets err.
func (l *Log) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure == nil {
		l.failure = err
		l.broadcast()
	}
}

func (l *Log) broadcast() {
	close(l.wake)
	l.wake = make(chan struct{})
}

// wait returns when everything up to t is durable.
func (l *Log) wait(ctx context.Context, t Time) error {
	for {
		l.mu.Lock()
		visible, wake, err := l.visible, l.wake, l.failure
		l.mu.Unlock()
		switch {
		case visible >= t:
			return nil
		case err != nil:
			return err
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return fault.New(fault.ShutdownInProgress, "the store is shutting down")
		}
	}
}
