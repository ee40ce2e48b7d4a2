//go:build !linux

package harness

import "syscall"

// endWithParent is for Linux only: elsewhere a test that is killed leaves its processes behind.
func endWithParent() *syscall.SysProcAttr { return nil }
