package drain

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/services/wrapper/internal/session"
)

const (
	// maxMoving is how many sessions of a server move at once. Each makes all its users connect anew: chosen so that the
	// servers that take them are no busier with it than with a busy minute of joins.
	maxMoving = 16
	// askAgain is after how long a session is asked again that has not begun to move. Chosen: longer than a request takes.
	askAgain = 5 * time.Second
	// sending is how many requests are sent at once.
	sending = 8
	// sayEvery is the pause between two lines in the log that say the same of one server.
	sayEvery = time.Minute
	// maxWaiting bounds the reason that is kept; a fleet may have many servers to name.
	maxWaiting = 500
)

// watched is what is remembered of a server from look to look.
type watched struct {
	since      time.Time
	instance   control.InstanceID
	heartbeat  time.Time // the last one that was seen
	heartbeats int       // seen to come
	asked      map[control.SessionID]time.Time
	said       time.Time // that sessions stay
}

func newWatched(s control.MediaServer) *watched {
	return &watched{
		since: s.Drain.Since, instance: s.Instance, heartbeat: s.HeartbeatAt, asked: map[control.SessionID]time.Time{},
	}
}

// heard counts a heartbeat that was not there in the last look. Their times are by the server's own clock, so that only
// whether they differ means anything.
func (w *watched) heard(s control.MediaServer) {
	if !s.HeartbeatAt.Equal(w.heartbeat) {
		w.heartbeat = s.HeartbeatAt
		w.heartbeats++
	}
}

// relocate asks as many sessions to move as may at once, those first that were not asked for longest. If some stay
// although they were asked, it returns why.
func (d *Drainer) relocate(
	ctx context.Context, s control.MediaServer, w *watched, now time.Time,
) (waiting string, err error) {
	list, err := d.Sessions.OnServer(ctx, s.ID)
	if err != nil {
		return "", err
	}
	moving, left := split(list, s.ID)
	w.forget(left)
	slices.SortStableFunc(left, func(a, b store.SessionSummary) int {
		return cmp.Or(w.asked[a.ID].Compare(w.asked[b.ID]), cmp.Compare(a.ID, b.ID))
	})
	for _, sess := range left {
		if w.lately(sess.ID, now) {
			moving++
		}
	}
	waiting = d.obstacle(s.ID, w, left)
	d.say(s, w, len(left), waiting, now)
	var group errgroup.Group
	group.SetLimit(sending)
	for _, sess := range left[:min(len(left), max(0, maxMoving-moving))] {
		if w.lately(sess.ID, now) {
			break
		}
		w.asked[sess.ID] = now
		group.Go(func() error { return d.ask(ctx, sess) })
	}
	return waiting, group.Wait()
}

// split counts the sessions that are moving, and lists those that are not and have to.
func split(list []store.SessionSummary, server control.MediaServerID) (moving int, left []store.SessionSummary) {
	for _, sess := range list {
		switch {
		case sess.State != control.SessionActive: // it goes by itself
		case sess.Relocation != nil:
			moving++
		case sess.Pipeline != nil && sess.Pipeline.Server == server:
			left = append(left, sess)
		}
	}
	return moving, left
}

// lately reports whether a session was asked and need not be asked again yet.
func (w *watched) lately(id control.SessionID, now time.Time) bool {
	at, asked := w.asked[id]
	return asked && now.Sub(at) < askAgain
}

// forget drops the sessions that have moved.
func (w *watched) forget(left []store.SessionSummary) {
	stays := make(map[control.SessionID]bool, len(left))
	for _, sess := range left {
		stays[sess.ID] = true
	}
	for id := range w.asked {
		if !stays[id] {
			delete(w.asked, id)
		}
	}
}

// ask puts the request to move into a session's queue.
func (d *Drainer) ask(ctx context.Context, sess store.SessionSummary) error {
	return session.Ask(ctx, d.Sender, sess.ID, session.RelocateID(sess.ID, sess.Epoch), message.TypeRelocate,
		message.Relocate{Epoch: sess.Epoch, Pipeline: sess.Pipeline.ID, Reason: "draining"})
}

// obstacle is why a session stays that was asked before, "" if nothing is known to be in the way of any.
func (d *Drainer) obstacle(leaving control.MediaServerID, w *watched, left []store.SessionSummary) string {
	regions := map[string]bool{}
	for _, sess := range left {
		if _, asked := w.asked[sess.ID]; !asked || regions[sess.Region] {
			continue
		}
		regions[sess.Region] = true
		if text := d.Room(sess.Region, leaving); text != "" {
			return strings.ToValidUTF8(text[:min(len(text), maxWaiting)], "")
		}
	}
	return ""
}

// say logs that sessions stay, once in a while.
func (d *Drainer) say(s control.MediaServer, w *watched, left int, waiting string, now time.Time) {
	if waiting == "" || now.Sub(w.said) < sayEvery {
		return
	}
	w.said = now
	d.Log.Warn("sessions cannot be moved off a media server, trying again",
		slog.String(logging.KeyServer, string(s.ID)), slog.Int("sessions", left), slog.String("reason", waiting))
}
