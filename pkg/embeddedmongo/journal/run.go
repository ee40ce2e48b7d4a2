package journal

import (
	"fmt"
	"os"
)

// Run writes what is appended until Close, and calls durable with the mark of the last record that is safe. It returns
// the first error; nothing appended after that becomes durable.
func (j *Journal) Run(durable func(mark uint64)) error {
	w := writer{journal: j}
	defer w.close()
	for range j.wake {
		batch, closing := j.take()
		if len(batch) > 0 {
			if err := w.write(batch); err != nil {
				return err
			}
			durable(batch[len(batch)-1].mark)
		}
		if closing {
			return nil
		}
	}
	return nil
}

func (j *Journal) take() ([]record, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	batch := j.waiting
	j.waiting = nil
	return batch, j.closing
}

// writer is the open segment file. Owned by Run.
type writer struct {
	journal *Journal
	file    *os.File
	segment int
	buffer  []byte
}

// write appends a batch and syncs; where the batch passes into a new segment, the old one is synced first.
func (w *writer) write(batch []record) error {
	for _, r := range batch {
		if w.file == nil || r.segment != w.segment {
			if err := w.open(r.segment); err != nil {
				return err
			}
		}
		w.buffer = appendFrame(w.buffer, r.payload)
	}
	return w.flush()
}

func (w *writer) flush() error {
	if w.file == nil {
		return nil
	}
	if _, err := w.file.Write(w.buffer); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	w.buffer = w.buffer[:0]
	if cap(w.buffer) > keptBufferBytes {
		w.buffer = nil
	}
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

func (w *writer) open(segment int) error {
	if err := w.flush(); err != nil {
		return err
	}
	w.close()
	file, err := os.OpenFile(w.journal.path(segment), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	w.file, w.segment = file, segment
	return syncDir(w.journal.dir)
}

func (w *writer) close() {
	if w.file != nil {
		_ = w.file.Close() // everything in it has been synced
	}
}
