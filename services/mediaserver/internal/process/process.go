// Package process measures what this process takes from its machine. The control layer answers Kurento's getUsedCpu and
// getUsedMemory with it, package announce the heartbeat.
package process

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// CPUTime is the time that all threads of the process have spent on processors so far.
func CPUTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// MemoryBytes is the resident memory of the process; where the system does not tell, what the Go runtime holds.
func MemoryBytes() int64 {
	// statm: size and resident, in pages (proc_pid_statm(5)).
	if content, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := bytes.Fields(content); len(fields) > 1 {
			if pages, err := strconv.ParseInt(string(fields[1]), 10, 64); err == nil {
				return pages * int64(os.Getpagesize())
			}
		}
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.Sys)
}
