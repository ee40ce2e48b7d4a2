package harness

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// TestLogDir_LeavesOtherRunsAlone has the logs of a run that goes on stay, and those of one that is gone removed.
func TestLogDir_LeavesOtherRunsAlone(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "e2e")
	const gone = 1 << 30 // no kernel gives such a process id
	for _, pid := range []int{os.Getppid(), gone, os.Getpid()} {
		dir := filepath.Join(parent, strconv.Itoa(pid))
		if err := os.MkdirAll(dir, 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "wrapper-1.log"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	mine, err := logDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]int{mine: 0, filepath.Join(parent, strconv.Itoa(os.Getppid())): 1} {
		if logs, err := os.ReadDir(dir); err != nil || len(logs) != want {
			t.Errorf("%s: %d logs, %v, want %d", dir, len(logs), err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(parent, strconv.Itoa(gone))); !os.IsNotExist(err) {
		t.Errorf("the logs of a process that is gone are there: %v", err)
	}
}
