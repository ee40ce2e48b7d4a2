package main

import (
	"os"
	"path/filepath"
	"regexp"
)

// checkLogs finds processes that a data race or a panic ended, or that said so.
func (w *world) checkLogs(dir string) {
	bad := regexp.MustCompile(`(?m)^(WARNING: DATA RACE|panic: .*|fatal error: .*)$`)
	logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		w.fault("logs", "%v", err)
	}
	for _, log := range logs {
		content, err := os.ReadFile(log)
		if err != nil {
			w.fault("logs", "%v", err)
			continue
		}
		if line := bad.Find(content); line != nil {
			w.fault("process", "%s in %s", line, log)
		}
	}
}
