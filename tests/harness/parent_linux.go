package harness

import "syscall"

// endWithParent has a process end with this one, however this one ends.
func endWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
