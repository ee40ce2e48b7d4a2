package logging

import (
	"log/slog"
	"sync"
	"time"
)

// Outage logs when something that the process needs goes away, and when it is back: one line each, however many of its
// parts notice, and however often. Safe for concurrent use.
type Outage struct {
	logger *slog.Logger

	mu      sync.Mutex
	missing map[string]bool // parts that are away
	since   time.Time       // when the line was logged that it is away; zero: there was none
}

// NewOutage is about what ("broker"), whose parts are not there yet at the start. There is a line when they all are.
func NewOutage(logger *slog.Logger, what string, parts ...string) *Outage {
	o := &Outage{logger: logger.With(KeyDependency, what), missing: map[string]bool{}}
	for _, part := range parts {
		o.missing[part] = true
	}
	return o
}

// Away notes that a part went away, or is away still.
func (o *Outage) Away(part string, reason error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.missing[part] = true
	if !o.since.IsZero() {
		return
	}
	o.since = time.Now()
	o.logger.Warn("dependency is away", KeyError, reason)
}

// There notes that a part is there, again or still.
func (o *Outage) There(part string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.missing[part] {
		return
	}
	delete(o.missing, part)
	if len(o.missing) > 0 {
		return
	}
	var away []any
	if !o.since.IsZero() {
		away = append(away, KeyDuration, time.Since(o.since).Milliseconds())
	}
	o.since = time.Time{}
	o.logger.Info("dependency is there", away...)
}

// Note is [Outage.Away] for an error and [Outage.There] for none, of a part that stands for the whole.
func (o *Outage) Note(err error) {
	if err != nil {
		o.Away("", err)
	} else {
		o.There("")
	}
}
