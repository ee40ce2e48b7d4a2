package rabbit

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// pauseTimeout bounds the wait for the threads of a node to stop.
const pauseTimeout = 10 * time.Second

// running reports whether a thread of a process group is neither stopped nor dead (proc_pid_stat(5)).
func running(group int) bool {
	threads, err := filepath.Glob("/proc/[0-9]*/task/[0-9]*/stat")
	if err != nil {
		return false
	}
	for _, thread := range threads {
		stat, err := os.ReadFile(thread) //nolint:gosec // a path of the kernel's
		if err != nil {
			continue // it has ended meanwhile
		}
		// After the name, which is in parentheses: state, parent, process group.
		line := string(stat)
		fields := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
		if len(fields) > 2 && fields[2] == strconv.Itoa(group) && !strings.Contains("TtZX", fields[0]) {
			return true
		}
	}
	return false
}
