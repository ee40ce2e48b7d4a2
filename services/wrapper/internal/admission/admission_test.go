package admission_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/membership"
	"github.com/orkestro/orkestro/services/wrapper/internal/admission"
)

// stage is a store that may be away, a fleet, and what was entered and logged.
type stage struct {
	mu        sync.Mutex
	documents []string
	servers   []control.MediaServer
	away      error
	entries   map[string]control.AuditEntry
	log       strings.Builder
}

func (s *stage) Documents(context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.documents, s.away
}

func (s *stage) Append(_ context.Context, e control.AuditEntry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away == nil {
		s.entries[e.ID] = e
	}
	return s.away
}

func (s *stage) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(line)
}

func (s *stage) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *stage) seen() []control.MediaServer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.servers
}

// logged is how many lines say something.
func (s *stage) logged(text string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Count(s.log.String(), text)
}

func (s *stage) entered() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.entries)
}

// keepers are those of two Wrappers on one stage.
func keepers(t *testing.T, s *stage, key membership.Key) (*admission.Keeper, func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	var first *admission.Keeper
	for _, wrapper := range []string{"w1", "w2"} {
		k := admission.New(admission.Deps{
			Wrapper: wrapper, Key: key, Manifests: s, Servers: s.seen, Audit: s,
			Log: slog.New(slog.NewTextHandler(s, nil)),
		})
		if first == nil {
			first = k
		}
		running.Go(func() { k.Run(ctx) })
	}
	return first, func() {
		stop()
		running.Wait()
	}
}

func member(t *testing.T, key ed25519.PrivateKey) control.MediaServer {
	t.Helper()
	credential, err := membership.Issue(key, membership.Token{
		Server: "m1", Version: "v1", Generation: 1, NotBefore: time.Now(), Expires: time.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := control.MediaServer{ID: "m1", Instance: "i1", Version: "v1", Status: control.StatusUp, StartedAt: time.Now()}
	s.Membership = credential.Present(s)
	return s
}

func TestKeeper_TellsRefusalsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, err := membership.NewKey()
		if err != nil {
			t.Fatal(err)
		}
		key := membership.KeyOf(first)
		good := member(t, first)
		down := control.MediaServer{ID: "gone", Instance: "i3", Status: control.StatusDown}
		stranger := control.MediaServer{ID: "m2", Instance: "i2", Status: control.StatusUp}
		s := &stage{servers: []control.MediaServer{good, stranger, down}, entries: map[string]control.AuditEntry{}}
		s.away = errors.New("away")
		k, stop := keepers(t, s, key)
		defer stop()

		time.Sleep(time.Minute)
		if got := k.Admit(good); got != membership.RefusedAll || s.entered() != 0 || s.logged("not up to date") != 2 {
			t.Errorf("without manifests: %q, %d entries\n%s", got, s.entered(), s.log.String())
		}
		s.change(func() { s.away = nil })
		time.Sleep(time.Minute)
		if k.Admit(good) != "" || k.Admit(stranger) != membership.RefusedMissing {
			t.Errorf("got %q and %q", k.Admit(good), k.Admit(stranger))
		}
		if s.entered() != 1 || s.logged("given no sessions") != 2 {
			t.Errorf("%d entries\n%s", s.entered(), s.log.String())
		}

		second, err := membership.NewKey()
		if err != nil {
			t.Fatal(err)
		}
		next := membership.First(key).Next(membership.KeyOf(second), time.Now(), 30*time.Second)
		document, err := next.Sign(first, second)
		if err != nil {
			t.Fatal(err)
		}
		s.change(func() { s.documents = []string{document} })
		time.Sleep(20 * time.Second)
		if got := k.Admit(good); got != "" {
			t.Errorf("within the overlap: %q", got)
		}
		time.Sleep(20 * time.Second)
		if got := k.Admit(good); got != membership.RefusedGeneration || s.entered() != 2 {
			t.Errorf("after the overlap: %q, %d entries", got, s.entered())
		}
		s.change(func() { s.documents = nil }) // somebody takes the manifest away
		time.Sleep(time.Minute)
		if got := k.Admit(good); got != membership.RefusedGeneration || s.entered() != 2 {
			t.Errorf("without the manifest: %q, %d entries", got, s.entered())
		}
	})
}
