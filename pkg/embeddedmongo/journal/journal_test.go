package journal_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// session opens dir, and returns what was in it; use works with the running journal, which is closed then.
func session(t *testing.T, dir string, use func(j *journal.Journal, durable <-chan uint64)) []string {
	t.Helper()
	j, err := journal.Open(dir)
	must(t, err)
	var found []string
	must(t, j.Load(func(payload []byte, snapshot bool) error {
		found = append(found, fmt.Sprintf("%s %v", payload, snapshot))
		return nil
	}))
	if j.Empty() {
		j.Rotate([]byte("head"), 0)
	}
	durable, ended := make(chan uint64, 100), make(chan error, 1)
	go func() { ended <- j.Run(func(mark uint64) { durable <- mark }) }()
	use(j, durable)
	j.Close()
	must(t, <-ended)
	must(t, j.Release())
	return found
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func nothing(*journal.Journal, <-chan uint64) {}

func TestJournal_CutsWhatACrashTore(t *testing.T) {
	dir := t.TempDir()
	session(t, dir, func(j *journal.Journal, durable <-chan uint64) {
		j.Append([]byte("one"), 1)
		j.Append([]byte("two"), 2)
		for mark := range durable {
			if mark == 2 {
				break
			}
		}
	})
	path := filepath.Join(dir, "log-00000001")
	whole, err := os.ReadFile(path)
	must(t, err)
	for cut := len(whole) - 1; cut > len(whole)-11; cut-- {
		must(t, os.WriteFile(path, whole[:cut], 0o600))
		if d := cmp.Diff([]string{"head false", "one false"}, session(t, dir, nothing)); d != "" {
			t.Fatalf("cut at %d: %s", cut, d)
		}
	}
	session(t, dir, func(j *journal.Journal, _ <-chan uint64) { j.Append([]byte("three"), 3) })
	if d := cmp.Diff([]string{"head false", "one false", "three false"}, session(t, dir, nothing)); d != "" {
		t.Error("after a repair", d)
	}
}

func TestJournal_SnapshotStandsForTheOldLog(t *testing.T) {
	dir := t.TempDir()
	snapshot := func(text string) func(*journal.Journal, <-chan uint64) {
		return func(j *journal.Journal, durable <-chan uint64) {
			j.Append([]byte("before "+text), 1)
			j.Rotate([]byte("head "+text), 2)
			for mark := range durable {
				if mark == 2 {
					break
				}
			}
			must(t, j.Snapshot(func(yield func([]byte, error) bool) { yield([]byte("state "+text), nil) }))
			j.Append([]byte("after "+text), 3)
		}
	}
	session(t, dir, snapshot("1"))
	session(t, dir, snapshot("2"))
	want := []string{
		"state 2 true", "head 1 false", "after 1 false", "before 2 false", "head 2 false", "after 2 false",
	}
	if d := cmp.Diff(want, session(t, dir, nothing)); d != "" {
		t.Error(d)
	}
}
