package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/orkestro/orkestro/tests/harness"
)

// clockTick is the unit of the times in /proc/<pid>/stat on Linux (USER_HZ).
const clockTick = 10 * time.Millisecond

// services are the processes of the fleet by service. RabbitMQ is not among them.
func (b *bench) services() []service {
	list := []service{
		{"restapi", b.fleet.RestAPIs}, {"wrapper", b.fleet.Wrappers}, {"mediaserver", b.fleet.MediaServers},
	}
	if b.fleet.Store != nil {
		list = append(list, service{"store", []*harness.Process{b.fleet.Store}})
	}
	return list
}

// service is all replicas of one.
type service struct {
	name      string
	processes []*harness.Process
}

// usage is the processor time that each service has used.
type usage []serviceUsage

type serviceUsage struct {
	name string
	cpu  time.Duration
}

func (b *bench) cpu() usage {
	var all usage
	for _, s := range b.services() {
		all = append(all, serviceUsage{s.name, cpuOf(s.processes)})
	}
	return all
}

// total is the time of all services.
func (u usage) total() time.Duration {
	var sum time.Duration
	for _, s := range u {
		sum += s.cpu
	}
	return sum
}

// since prints what was used since before for each of n things, by service.
func (u usage) since(before usage, n int) string {
	each := func(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000/float64(n)) }
	parts := make([]string, len(u))
	for i, s := range u {
		parts[i] = s.name + " " + each(s.cpu-before[i].cpu)
	}
	return each(u.total()-before.total()) + ": " + strings.Join(parts, ", ")
}

// cpuOf is the processor time of processes, user and system.
func cpuOf(processes []*harness.Process) time.Duration {
	var ticks int64
	for _, p := range processes {
		if !p.Running() {
			continue
		}
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
