// Package drain empties the media servers that are to be: it counts what is left on each, has that moved at the
// deadline, and says when nothing is left. Package app runs it under a lease. It places nothing and moves nothing
// itself: a request in the queue of each session does that, which package session handles.
//
//	draining --- nothing left --------------------------------------> drained
//	    '------- deadline, then relocate: a few sessions at a time are asked to move, those that stay are asked again
package drain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

const (
	// lookEvery is the pause between two looks, lookTimeout bounds one.
	lookEvery   = time.Second
	lookTimeout = 10 * time.Second
	// heartbeats of a server that have to be seen to come before it counts as empty. The load in the second one was
	// measured after the first look, and so after the drain began.
	heartbeats = 2
	// strangers is how long after the deadline pipelines still count that are of no session: a session's may be on its
	// way into its document for as long as its request takes, those of other clients are waited for no longer.
	strangers = 10 * time.Second
)

// Servers is where media servers are kept: [store.MediaServers].
type Servers interface {
	List(ctx context.Context) ([]control.MediaServer, error)
	NoteDrain(ctx context.Context, id control.MediaServerID, since time.Time, remaining int64, waiting string) error
	SetDrained(ctx context.Context, server control.MediaServer) error
	EndDrain(ctx context.Context, id control.MediaServerID, drain control.Drain) error
}

// Sessions is where sessions are kept: [store.Sessions].
type Sessions interface {
	CountOnServer(ctx context.Context, server control.MediaServerID) (int64, error)
	OnServer(ctx context.Context, server control.MediaServerID) ([]store.SessionSummary, error)
}

// Audit is where it is entered that a server is drained: [store.Audit].
type Audit interface {
	Append(ctx context.Context, entry control.AuditEntry) error
}

// Room says why a session of a region cannot be placed on any server but the one that it is to leave; "" if it can.
type Room func(region string, leaving control.MediaServerID) string

// Deps is what a [Drainer] works with.
type Deps struct {
	Wrapper  string // id of this one, for the audit
	Servers  Servers
	Sessions Sessions
	Sender   session.Sender
	Audit    Audit
	Room     Room
	Log      *slog.Logger
}

// Drainer empties servers. Two of them at a time do no harm: what one writes is guarded, and a session that is asked to
// move twice moves once. One goroutine runs it.
type Drainer struct {
	Deps
	watched map[control.MediaServerID]*watched
	told    map[control.MediaServerID]string // the last drain that the audit knows the end of: the id of its entry
}

// New makes a drainer; Run starts it.
func New(d Deps) *Drainer {
	d.Log = d.Log.With(slog.String(logging.KeyComponent, "drain"))
	return &Drainer{Deps: d, watched: map[control.MediaServerID]*watched{}, told: map[control.MediaServerID]string{}}
}

// Run looks until ctx ends.
func (d *Drainer) Run(ctx context.Context) {
	clear(d.watched) // it has not watched since the last time
	outage := store.NewOutage(d.Log)
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		err := d.Look(ctx, time.Now())
		if ctx.Err() != nil {
			return
		}
		outage.Note(err)
		d.Log.Log(ctx, levelOf(err), "media servers looked at", slog.Any(logging.KeyError, err))
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// levelOf keeps the log to what is news: of an outage there is a line already.
func levelOf(err error) slog.Level {
	if err == nil || control.CodeOf(err) == control.CodeUnavailable || errors.Is(err, broker.ErrUnavailable) {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// Look takes every drain as far as it goes now. What cannot be done for one server does not keep it from the others.
func (d *Drainer) Look(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	servers, err := d.Servers.List(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range servers {
		switch {
		case outlived(s):
			err = d.Servers.EndDrain(ctx, s.ID, *s.Drain)
		case s.Availability == control.AvailabilityDrained && s.Drain != nil:
			err = d.tell(ctx, s, now)
		case s.Availability == control.AvailabilityDraining && s.Drain != nil && s.Status != control.StatusDown:
			err = d.empty(ctx, s, now)
		default:
			delete(d.watched, s.ID)
			delete(d.told, s.ID)
			continue
		}
		if err != nil && !errors.Is(err, store.ErrGuard) { // a lost guard: the drain was undone, or is another one
			errs = append(errs, fmt.Errorf("drain media server %s: %w", s.ID, err))
		}
	}
	return errors.Join(errs...)
}

// outlived reports whether the process is gone whose end a server was drained for, and another one has taken its place
// that is of an earlier release: it does not know that it is to end the drain.
func outlived(s control.MediaServer) bool {
	return s.Drain != nil && s.Drain.By == control.DrainBySignal && s.StartedAt.After(s.Drain.Since)
}

// empty is one look at a server that drains.
func (d *Drainer) empty(ctx context.Context, s control.MediaServer, now time.Time) error {
	w := d.watched[s.ID]
	if w == nil || !w.since.Equal(s.Drain.Since) || w.instance != s.Instance {
		w = newWatched(s)
		d.watched[s.ID] = w
	}
	w.heard(s)
	remaining, err := d.Sessions.CountOnServer(ctx, s.ID)
	if err != nil {
		return err
	}
	if remaining == 0 && w.heartbeats >= heartbeats && unused(s, now) {
		return d.drained(ctx, s, now)
	}
	waiting := ""
	if remaining > 0 && s.Drain.Then == control.DrainRelocate && !now.Before(s.Drain.Deadline) {
		if waiting, err = d.relocate(ctx, s, w, now); err != nil {
			return err
		}
	}
	if remaining == s.Drain.Remaining && waiting == s.Drain.Waiting {
		return nil
	}
	return d.Servers.NoteDrain(ctx, s.ID, s.Drain.Since, remaining, waiting)
}

// unused reports whether nothing is on a server without sessions, nor on its way there.
func unused(s control.MediaServer, now time.Time) bool {
	if s.Placed > s.Load.PipelinesCreated {
		return false
	}
	over := s.Drain.Then == control.DrainRelocate && now.After(s.Drain.Deadline.Add(strangers))
	return s.Load.Pipelines == 0 || over
}

// drained says that a server is empty.
func (d *Drainer) drained(ctx context.Context, s control.MediaServer, now time.Time) error {
	if err := d.Servers.SetDrained(ctx, s); err != nil {
		return err
	}
	delete(d.watched, s.ID)
	d.Log.Info("media server drained", slog.String(logging.KeyServer, string(s.ID)),
		slog.String("by", s.Drain.By), slog.Int64(logging.KeyDuration, now.Sub(s.Drain.Since).Milliseconds()))
	return d.tell(ctx, s, now)
}

// tell enters into the audit that a server is drained: at once, and again by who leads next, for who wrote it may not
// have lived to tell. Twice is one entry.
func (d *Drainer) tell(ctx context.Context, s control.MediaServer, now time.Time) error {
	id := control.DeriveID(string(s.ID)+"/"+string(s.Instance), fmt.Sprintf("drained/%d", s.Drain.Since.UnixMilli()))
	if d.told[s.ID] == id {
		return nil
	}
	err := d.Audit.Append(ctx, control.AuditEntry{
		ID: id, Time: now.UTC(), Actor: "wrapper:" + d.Wrapper, Action: "server.drained", Object: "server:" + string(s.ID),
		Reason: "drained by " + s.Drain.By, Result: "ok",
	})
	if err == nil {
		d.told[s.ID] = id
	}
	return err
}
