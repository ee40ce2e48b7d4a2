// Package journal keeps records on disk: an append-only log in numbered segments, and a snapshot that stands for what
// came before. The engine calls it; it knows records only as bytes.
//
// A record is durable once the file it is in has been synced; all records that wait while one sync runs share the next
// (group commit). Each record carries its length and a CRC-32C, so that one torn by a crash is found and cut off.
package journal

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const (
	snapshotName  = "snapshot"
	segmentPrefix = "log-"
)

// Journal is a directory of records that one process at a time has open. Safe for concurrent use after [Journal.Run].
type Journal struct {
	dir  string
	lock *os.File

	mu      sync.Mutex
	waiting []record
	wake    chan struct{} // capacity 1: a signal that waiting has something, or closing is set
	segment int           // of records appended from now on
	size    int64         // of what was appended since the last snapshot
	closing bool
}

type record struct {
	payload []byte
	mark    uint64
	segment int
}

// Open takes the directory, making it if needed. It fails while another process has it.
func Open(dir string) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	lock, err := takeLock(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("journal: %s is in use by another process: %w", dir, err)
	}
	return &Journal{dir: dir, lock: lock, wake: make(chan struct{}, 1)}, nil
}

// Load calls visit with every record: those of the snapshot, if there is one, then those of the segments, which begin
// before the snapshot was made. Torn records at the very end are cut off. It is called once, before Run.
func (j *Journal) Load(visit func(payload []byte, snapshot bool) error) error {
	snapshot := filepath.Join(j.dir, snapshotName)
	if _, err := os.Stat(snapshot); err == nil {
		whole := func(payload []byte) error { return visit(payload, true) }
		if _, err := readFile(snapshot, false, whole); err != nil {
			return err
		}
	}
	segments, err := j.segments()
	if err != nil {
		return err
	}
	for i, n := range segments {
		read, err := readFile(j.path(n), i == len(segments)-1, func(payload []byte) error { return visit(payload, false) })
		if err != nil {
			return err
		}
		j.size += read
		j.segment = n
	}
	return nil
}

// Empty tells if nothing was ever written, as far as Load found.
func (j *Journal) Empty() bool { return j.segment == 0 }

// Append queues a record. Marks rise; when the record is durable, Run reports its mark.
func (j *Journal) Append(payload []byte, mark uint64) {
	j.mu.Lock()
	j.waiting = append(j.waiting, record{payload, mark, j.segment})
	j.size += int64(len(payload))
	j.mu.Unlock()
	j.signal()
}

// Rotate begins a new segment with a first record, for a snapshot of everything appended before.
func (j *Journal) Rotate(first []byte, mark uint64) {
	j.mu.Lock()
	j.segment++
	j.size = 0
	j.mu.Unlock()
	j.Append(first, mark)
}

// Size is how many bytes were appended since the last rotation.
func (j *Journal) Size() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.size
}

func (j *Journal) signal() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// Snapshot replaces the snapshot by one of these records, which stand for everything before the last rotation. Of the
// segments only the one before that is kept, for its history.
func (j *Journal) Snapshot(records iter.Seq2[[]byte, error]) error {
	temporary := filepath.Join(j.dir, snapshotName+".tmp")
	if err := writeSnapshot(temporary, records); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	if err := os.Rename(temporary, filepath.Join(j.dir, snapshotName)); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if err := syncDir(j.dir); err != nil {
		return err
	}
	segments, err := j.segments()
	if err != nil {
		return err
	}
	j.mu.Lock()
	current := j.segment
	j.mu.Unlock()
	for _, n := range segments {
		if n < current-1 {
			if err := os.Remove(j.path(n)); err != nil {
				return fmt.Errorf("journal: %w", err)
			}
		}
	}
	return nil
}

// Close ends Run after it has written what waits. The caller waits for Run, then calls Release.
func (j *Journal) Close() {
	j.mu.Lock()
	j.closing = true
	j.mu.Unlock()
	j.signal()
}

// Release gives the directory free.
func (j *Journal) Release() error { return j.lock.Close() }

func (j *Journal) path(segment int) string {
	return filepath.Join(j.dir, fmt.Sprintf("%s%08d", segmentPrefix, segment))
}

// segments are the numbers of the segment files, rising.
func (j *Journal) segments() ([]int, error) {
	entries, err := os.ReadDir(j.dir)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	var numbers []int
	for _, entry := range entries {
		text, ok := strings.CutPrefix(entry.Name(), segmentPrefix)
		if n, err := strconv.Atoi(text); ok && err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}
