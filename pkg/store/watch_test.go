package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/embeddedmongo"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit"
)

// story is what a watcher was told, in order; it also counts the warnings that the watching logs.
type story struct {
	mu       sync.Mutex
	told     []string
	warnings int
}

func (s *story) add(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, what)
}

func (s *story) Reset(ids []control.SessionID) { s.add(fmt.Sprint("reset ", ids)) }
func (s *story) Live(id control.SessionID)     { s.add("live " + string(id)) }
func (s *story) Ended(id control.SessionID)    { s.add("ended " + string(id)) }

func (s *story) Enabled(context.Context, slog.Level) bool { return true }
func (s *story) WithAttrs([]slog.Attr) slog.Handler       { return s }
func (s *story) WithGroup(string) slog.Handler            { return s }
func (s *story) Handle(context.Context, slog.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.warnings++
	return nil
}

// expect waits until the last that was told is what.
func (s *story) expect(t *testing.T, what string) {
	t.Helper()
	testkit.Eventually(t, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !slices.Contains(s.told, what) {
			return fmt.Errorf("%q was not told: %q", what, s.told)
		}
		return nil
	})
}

// outage is a store whose database ends and comes again at the same address, while its sessions are watched.
type outage struct {
	*story
	t      *testing.T
	config embeddedmongo.Config
	server *embeddedmongo.Server
	store  *store.Store
}

func newOutage(t *testing.T, dir string) *outage {
	t.Helper()
	o := &outage{t: t, story: &story{}, config: embeddedmongo.Config{DataDir: dir}}
	o.start()
	o.config.Listen = o.server.Address()
	t.Cleanup(func() { _ = o.server.Close() })
	var err error
	o.store, err = store.Open(t.Context(), o.server.URL(), "watched")
	must(t, err)
	t.Cleanup(func() { _ = o.store.Close(context.Background()) })

	insert(t, o.store, "a")
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { _ = o.store.Sessions.WatchLive(ctx, o.story, slog.New(o.story)) })
	t.Cleanup(watching.Wait)
	t.Cleanup(cancel)
	o.expect(t, "reset [a]")
	o.insert("b")
	o.expect(t, "live b")
	return o
}

func (o *outage) start() {
	o.t.Helper()
	var err error
	o.server, err = embeddedmongo.Start(o.config, slog.New(slog.DiscardHandler))
	must(o.t, err)
}

// insert insists: the first calls after a restart may meet connections of the life before.
func (o *outage) insert(id control.SessionID) {
	o.t.Helper()
	testkit.Eventually(o.t, func() error {
		err := o.store.Sessions.Insert(o.t.Context(), control.Session{ID: id, State: control.SessionActive})
		if errors.Is(err, store.ErrGuard) {
			return nil
		}
		return err
	})
}

func (o *outage) resets() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for _, what := range o.told {
		if what[:5] == "reset" {
			n++
		}
	}
	return n
}

// A database that restarts has its log still: watching goes on where it was, and nothing is read or told anew.
func TestWatch_ResumesAfterARestart(t *testing.T) {
	o := newOutage(t, t.TempDir())
	must(t, o.server.Close())
	o.start()
	o.insert("c")
	o.expect(t, "live c")
	if n := o.resets(); n != 1 {
		t.Errorf("everything was read %d times: %q", n, o.told)
	}
}

// A database that has lost its log refuses the token (error 286): everything is read anew, once.
func TestWatch_ReadsAnewAfterALostLog(t *testing.T) {
	o := newOutage(t, "")
	must(t, o.server.Close())
	time.Sleep(300 * time.Millisecond) // an outage takes its time; trying is not to be busy meanwhile
	o.start()
	o.expect(t, "reset []")
	o.insert("c")
	o.expect(t, "live c")
	if n := o.resets(); n != 2 {
		t.Errorf("everything was read %d times: %q", n, o.told)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.warnings > 20 {
		t.Errorf("opening the stream was tried %d times", o.warnings)
	}
}
