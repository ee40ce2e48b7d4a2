package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
)

const (
	// awaitMin and awaitMax bound the pause before a database that is not there yet is tried again.
	awaitMin = 100 * time.Millisecond
	awaitMax = time.Second
)

// Await is [Open] that waits for the database to be there, as services do when they start. It ends with ctx's error, or
// with one that waiting does not mend.
func Await(ctx context.Context, url, database string, logger *slog.Logger) (*Store, error) {
	outage := NewOutage(logger)
	for pause := awaitMin; ; pause = min(2*pause, awaitMax) {
		s, err := Open(ctx, url, database)
		switch {
		case err == nil:
			outage.Note(nil)
			s.schemas.log = logger
			return s, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case control.CodeOf(err) != control.CodeUnavailable:
			return nil, fmt.Errorf("--mongo-url (ORKESTRO_MONGO_URL): %w", err)
		}
		outage.Note(err)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause/2 + rand.N(pause)): //nolint:gosec // jitter needs no secrecy
		}
	}
}

// Outage is the two lines in the log that tell when the database went away and when it was back. Each process has one
// that it feeds with the outcome of what it writes regularly.
type Outage struct{ log *logging.Outage }

// NewOutage logs to logger; nothing is away yet.
func NewOutage(logger *slog.Logger) Outage { return Outage{logging.NewOutage(logger, "database")} }

// Note takes the outcome of a write. One that failed for another reason than an outage is none of its business.
func (o Outage) Note(err error) {
	switch {
	case err == nil, errors.Is(err, ErrGuard):
		o.log.Note(nil)
	case control.CodeOf(err) == control.CodeUnavailable:
		o.log.Note(err)
	}
}
