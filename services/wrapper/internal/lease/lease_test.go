package lease_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/services/wrapper/internal/lease"
)

// leases are those of one name, with a holder that the store cannot be reached by.
type leases struct {
	mu     sync.Mutex
	holder string
	until  time.Time
	cut    string
}

func (l *leases) Take(_ context.Context, _, holder string, now, until time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut == holder || l.holder != "" && l.holder != holder && !l.until.Before(now) {
		return store.ErrGuard
	}
	l.holder, l.until = holder, until
	return nil
}

func (l *leases) Give(_ context.Context, _, holder string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut != holder && l.holder == holder {
		l.holder = ""
	}
	return nil
}

func (l *leases) cutOff(holder string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = holder
}

// leaders notes who works, and fails the test when two do.
type leaders struct {
	t   *testing.T
	mu  sync.Mutex
	now map[string]bool
}

func (l *leaders) work(holder string) func(context.Context) {
	return func(ctx context.Context) {
		l.set(holder, true)
		<-ctx.Done()
		l.set(holder, false)
	}
}

func (l *leaders) set(holder string, works bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now[holder] = works
	if l.now["a"] && l.now["b"] {
		l.t.Error("both lead")
	}
}

func (l *leaders) leads(holder string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now[holder]
}

func TestHold_OneLeadsUntilItIsGoneOrCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := &leases{}
		lead := &leaders{t: t, now: map[string]bool{}}
		var running sync.WaitGroup
		start := func(holder string) context.CancelFunc {
			ctx, cancel := context.WithCancel(t.Context())
			running.Go(func() {
				lease.Hold(ctx, kept, "fleet", holder, slog.New(slog.DiscardHandler), lead.work(holder))
			})
			synctest.Wait()
			return cancel
		}
		stopA := start("a")
		stopB := start("b")
		time.Sleep(time.Minute)
		if !lead.leads("a") || lead.leads("b") {
			t.Fatal("who came first does not lead")
		}
		kept.cutOff("a")
		time.Sleep(10 * time.Second)
		if lead.leads("a") || !lead.leads("b") {
			t.Fatal("who is cut off was not followed by the other")
		}
		kept.cutOff("")
		stopB()
		time.Sleep(2 * time.Second)
		if !lead.leads("a") {
			t.Fatal("who stops gives no lease back")
		}
		stopA()
		running.Wait()
	})
}
