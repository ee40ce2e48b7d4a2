package media

import "sync"

// maxWords bounds what one endpoint remembers; beyond that every word counts.
const maxWords = 64

// words lets of several requests about one thing only the latest count, in whatever order they arrive: one may have
// been on its way for longer than the next. The zero value is ready. Safe for concurrent use.
type words struct {
	mu   sync.Mutex
	last map[string]string // by what it is about: the id of the latest request
}

// Obey calls do, unless a later request about the same has been obeyed. Ids of requests sort by their time; "" is of
// somebody who does not care. Requests about one endpoint wait for each other.
func (w *words) Obey(about, by string, do func() error) error {
	if by == "" {
		return do()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	last, known := w.last[about]
	if by < last {
		return nil
	}
	if err := do(); err != nil {
		return err
	}
	if w.last == nil {
		w.last = map[string]string{}
	}
	if known || len(w.last) < maxWords {
		w.last[about] = by
	}
	return nil
}
