// Package freeze stops processes without ending them (SIGSTOP), as a machine that hangs: connections stay open and
// silent. The signal alone does not do: on a busy machine some threads go on for a while, and answer.
package freeze

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// timeout bounds the wait for threads to stop.
const timeout = 10 * time.Second

// Process stops one process, and returns when its last thread has stopped.
func Process(pid int) error {
	return freeze(pid, fmt.Sprintf("/proc/%d/task/[0-9]*/stat", pid), func([]string) bool { return true })
}

// Group is [Process] for a process group.
func Group(id int) error {
	return freeze(-id, "/proc/[0-9]*/task/[0-9]*/stat", func(fields []string) bool {
		return fields[2] == strconv.Itoa(id)
	})
}

// freeze stops whom a signal to target reaches; of the threads whose state is in the files of a pattern, ours tells by
// the fields after the name (state, parent, process group...) whether it is one of them.
func freeze(target int, pattern string, ours func(fields []string) bool) error {
	if err := syscall.Kill(target, syscall.SIGSTOP); err != nil {
		return err
	}
	deadline := time.Now().Add(timeout)
	for running(pattern, ours) {
		if time.Now().After(deadline) {
			return fmt.Errorf("freeze: %d has not stopped within %s", target, timeout)
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

// running reports whether one of the threads is neither stopped nor dead (proc_pid_stat(5)).
func running(pattern string, ours func(fields []string) bool) bool {
	threads, err := filepath.Glob(pattern)
	if err != nil {
		return false
	}
	for _, thread := range threads {
		stat, err := os.ReadFile(thread) //nolint:gosec // a path of the kernel's
		if err != nil {
			continue // it has ended meanwhile
		}
		line := string(stat) // the name is in parentheses and may hold anything
		fields := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
		if len(fields) > 2 && ours(fields) && !strings.Contains("TtZX", fields[0]) {
			return true
		}
	}
	return false
}
