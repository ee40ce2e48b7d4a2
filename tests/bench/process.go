package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/orkestro/orkestro/tests/harness"
)

// clockTick is the unit of the times in /proc/<pid>/stat on Linux (USER_HZ).
const clockTick = 10 * time.Millisecond

// cpu is the processor time that the services of the fleet have used, without RabbitMQ and the store.
func (b *bench) cpu() time.Duration {
	return cpuOf(slices.Concat(b.fleet.RestAPIs, b.fleet.Wrappers, b.fleet.MediaServers))
}

// cpuOf is the processor time of processes, user and system.
func cpuOf(processes []*harness.Process) time.Duration {
	var ticks int64
	for _, p := range processes {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
		if err != nil {
			continue
		}
		// The fields after the command, which is in parentheses: utime and stime are 14 and 15 of proc(5).
		_, rest, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(rest)
		for _, field := range fields[11:13] {
			n, _ := strconv.ParseInt(field, 10, 64)
			ticks += n
		}
	}
	return time.Duration(ticks) * clockTick
}

// rss is the resident memory of processes in bytes.
func rss(processes []*harness.Process) int64 {
	var pages int64
	for _, p := range processes {
		statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.PID()))
		if err != nil {
			continue
		}
		if fields := strings.Fields(string(statm)); len(fields) > 1 {
			n, _ := strconv.ParseInt(fields[1], 10, 64)
			pages += n
		}
	}
	return pages * int64(os.Getpagesize())
}
