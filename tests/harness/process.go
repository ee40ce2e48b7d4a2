package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/orkestro/orkestro/pkg/testkit/freeport"
	"github.com/orkestro/orkestro/pkg/testkit/freeze"
)

const (
	readyTimeout = 60 * time.Second // a program built with the race detector, on a busy machine
	readyStep    = 25 * time.Millisecond
	stopTimeout  = 15 * time.Second // the services promise 10 s
)

// Process is one program of a fleet. It keeps its address over restarts, as a replica behind a load balancer does. For
// one goroutine at a time.
type Process struct {
	Name    string
	Address string // host:port that its HTTP listens on

	program string
	args    []string
	logFile string
	ready   func(ctx context.Context, p *Process) error
	host    *host // in an isolated fleet, nil elsewhere

	cmd    *exec.Cmd // nil while it is not running
	exited chan error
}

// Start starts the program and waits until it is ready.
func (p *Process) Start(ctx context.Context) error {
	log, err := os.OpenFile(p.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	program, args := p.program, p.args
	if p.host != nil {
		program, args = p.host.command(program, args)
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, args...) // it outlives its start
	cmd.Env = append(os.Environ(), environment()...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = endWithParent()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("harness: start %s: %w", p.Name, err)
	}
	p.cmd, p.exited = cmd, make(chan error, 1)
	go func() { p.exited <- cmd.Wait() }()
	return p.waitReady(ctx)
}

// PID is the process's id; it must be running.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Running reports whether the process has been started and has not ended by itself.
func (p *Process) Running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case err := <-p.exited:
		p.exited <- err // for whoever ends it
		return false
	default:
		return true
	}
}

// Log is the file that the process logs to.
func (p *Process) Log() string { return p.logFile }

// Kill ends the process with SIGKILL: nothing is said goodbye to.
func (p *Process) Kill() { _ = p.end(syscall.SIGKILL) }

// Pause stops the process in its tracks (SIGSTOP), as a frozen machine does; Resume has it go on.
func (p *Process) Pause() error { return freeze.Process(p.cmd.Process.Pid) }

// Resume has a paused process go on.
func (p *Process) Resume() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// Stop ends the process cleanly, with all that is on it, and is an error if it does not end well and in time.
func (p *Process) Stop() error {
	if filepath.Base(p.program) == "mediaserver" {
		return p.end(syscall.SIGINT) // it would drain at SIGTERM
	}
	return p.end(syscall.SIGTERM)
}

// Terminate asks the process to end, as an orchestrator does, and does not wait for that.
func (p *Process) Terminate() error { return p.cmd.Process.Signal(syscall.SIGTERM) }

// Ended waits until the process has ended by itself, and returns how; an error too if that takes longer than timeout.
func (p *Process) Ended(timeout time.Duration) error {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case err := <-p.exited:
		p.cmd = nil
		return p.outcome(err)
	case <-timer.C:
		return fmt.Errorf("harness: %s has not ended within %s", p.Name, timeout)
	}
}

func (p *Process) end(signal syscall.Signal) error {
	if p.cmd == nil {
		return nil
	}
	_ = p.cmd.Process.Signal(signal)
	defer func() { p.cmd = nil }()
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case err := <-p.exited:
		if err := p.outcome(err); err != nil {
			return fmt.Errorf("harness: %s: %w", p.Name, err)
		}
		return nil
	case <-timer.C:
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // its goroutines go to the log
		_ = p.cmd.Process.Signal(syscall.SIGCONT) // a paused one would not take notice
		<-p.exited
		return fmt.Errorf("harness: %s did not end within %s", p.Name, stopTimeout)
	}
}

// waitReady waits until the process is ready, or has ended.
func (p *Process) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	ticker := time.NewTicker(readyStep)
	defer ticker.Stop()
	for {
		err := p.ready(ctx, p)
		if err == nil {
			return nil
		}
		select {
		case ended := <-p.exited:
			p.cmd = nil
			return fmt.Errorf("harness: %s ended at once (%w); its log: %s", p.Name, orExited(ended), p.logFile)
		case <-ctx.Done():
			return fmt.Errorf("harness: %s is not ready: %w; its log: %s", p.Name, err, p.logFile)
		case <-ticker.C:
		}
	}
}

func orExited(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// readyHTTP asks /readyz.
func readyHTTP(ctx context.Context, p *Process) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Address+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("/readyz says %s", response.Status)
	}
	return nil
}

// readyTCP tries to connect.
func readyTCP(ctx context.Context, p *Process) error {
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.Address)
	if err != nil {
		return err
	}
	return connection.Close()
}

// freeAddress is a loopback address that nobody listens on. A process takes it a moment later and again after a restart,
// which is why the kernel cannot be left to choose.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := freeport.Listen(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String(), nil
}
