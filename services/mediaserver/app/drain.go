package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	nouns "github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/mediaserver/internal/announce"
)

// idlePeriod is the pause between two looks whether a server outside of a fleet has anything left.
const idlePeriod = 250 * time.Millisecond

// awaitEnd waits until the server has been asked to end and may: it is empty, or it was asked again. It reports false
// when ctx ended before. A drain that is undone has the server go on as if it had not been asked.
func (s *server) awaitEnd(ctx context.Context, asked <-chan os.Signal) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-asked:
		}
		if s.drain(ctx, asked) {
			return ctx.Err() == nil
		}
		s.log.Info("the drain was undone, the media server goes on")
	}
}

// drain reports whether the server is to end, false when its drain was undone.
func (s *server) drain(ctx context.Context, asked <-chan os.Signal) bool {
	draining, stop := context.WithCancel(ctx)
	defer stop()
	emptied := make(chan error, 1)
	go func() { emptied <- s.empty(draining) }()
	select {
	case err := <-emptied:
		return !errors.Is(err, announce.ErrUndone)
	case <-asked:
		s.log.Info("asked to end again: now, with what is left")
		stop()
		<-emptied
		return true
	}
}

// empty waits until nothing is left on the server.
func (s *server) empty(ctx context.Context) error {
	if s.fleet != nil {
		return s.fleet.drain(ctx, s.cfg.DrainTimeout)
	}
	s.log.Info("media server drains", "timeout", s.cfg.DrainTimeout.String())
	return s.awaitIdle(ctx)
}

// awaitIdle waits until clients have released their pipelines, or the time for that is over.
func (s *server) awaitIdle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.DrainTimeout)
	defer cancel()
	ticker := time.NewTicker(idlePeriod)
	defer ticker.Stop()
	for s.media.Stats().Pipelines > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
	return nil
}

// drain has the fleet empty this server. A server that is not registered has nothing of the fleet's.
func (f *fleet) drain(ctx context.Context, timeout time.Duration) error {
	registration, db := f.registration.Load(), f.database.Load()
	if registration == nil {
		return nil
	}
	return registration.Drain(ctx, db.MediaServers, timeout, func(ctx context.Context, drain nouns.Drain) error {
		return db.Audit.Append(ctx, nouns.AuditEntry{
			ID:   nouns.DeriveID(string(f.server.Instance), fmt.Sprintf("drain/%d", drain.Since.UnixMilli())),
			Time: drain.Since, Actor: "server:" + string(f.server.ID), Action: "server.drain",
			Object: "server:" + string(f.server.ID), Reason: fmt.Sprintf("SIGTERM: %s, then %s", timeout, drain.Then),
			Result: "ok",
		})
	})
}
