package harness

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// logDir makes an empty directory within parent for the logs of this process's fleet. Those of processes that are gone
// are removed; runs at the same time in one checkout leave each other's alone.
func logDir(parent string) (string, error) {
	others, err := os.ReadDir(parent)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	for _, other := range others {
		if pid, err := strconv.Atoi(other.Name()); err == nil && pid != os.Getpid() && alive(pid) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(parent, other.Name())); err != nil {
			return "", err
		}
	}
	dir := filepath.Join(parent, strconv.Itoa(os.Getpid()))
	return dir, os.MkdirAll(dir, 0o750)
}

// alive reports whether there is such a process, of whatever user.
func alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
