// Package rabbit runs private RabbitMQ nodes for tests, benchmarks and end-to-end runs: on loopback ports of their own,
// with their own files, gone when the process that started them is gone, however it ends. It knows nothing of what is
// sent through them.
package rabbit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/orkestro/orkestro/pkg/testkit/freeze"
)

// server is the program itself: the one in the PATH is a wrapper that insists on another account.
const server = "/usr/lib/rabbitmq/bin/rabbitmq-server"

const (
	startTimeout = 90 * time.Second // chosen: 5 s is usual, a busy machine with thousands of queues takes far longer
	readyStep    = 50 * time.Millisecond
)

// ErrNotInstalled says that this machine has no RabbitMQ (Debian: apt-get install rabbitmq-server).
var ErrNotInstalled = errors.New("rabbit: rabbitmq-server is not installed")

// Node is one RabbitMQ node. Its methods are for one goroutine at a time.
type Node struct {
	dir     string
	owned   bool // dir is removed when this process dies
	managed bool // with the management plugin
	ports   ports
	process *exec.Cmd // nil while killed
	reaper  *exec.Cmd // ends everything when its standard input is closed
	leash   io.Writer // that input: a line ends the node and keeps its files, the end of it takes them too
}

// Open starts a node with its files in dir, which must exist and stay until [Node.Close], and returns when it takes
// connections. Errors: [ErrNotInstalled].
func Open(ctx context.Context, dir string) (*Node, error) {
	return open(ctx, &Node{dir: dir})
}

func open(ctx context.Context, n *Node) (*Node, error) {
	if _, err := os.Stat(server); err != nil {
		return nil, ErrNotInstalled
	}
	var err error
	if n.dir, err = filepath.Abs(n.dir); err != nil {
		return nil, fmt.Errorf("rabbit: %w", err)
	}
	if n.ports, err = freePorts(ctx); err != nil {
		return nil, fmt.Errorf("rabbit: %w", err)
	}
	if err := n.writeFiles(); err != nil {
		return nil, fmt.Errorf("rabbit: %w", err)
	}
	if err := n.Restart(ctx); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// OpenManaged is [Open] with the management plugin, which takes more memory and time to start.
func OpenManaged(ctx context.Context, dir string) (*Node, error) {
	return open(ctx, &Node{dir: dir, managed: true})
}

// ManagementURL is the management API of a node that was opened by [OpenManaged].
func (n *Node) ManagementURL() string {
	return fmt.Sprintf("http://guest:guest@127.0.0.1:%d", n.ports.management)
}

// URL is where clients connect.
func (n *Node) URL() string { return fmt.Sprintf("amqp://guest:guest@127.0.0.1:%d/", n.ports.amqp) }

// Kill ends the node with SIGKILL and returns when it is gone. Its files stay for [Node.Restart].
func (n *Node) Kill() error {
	if n.process == nil {
		return nil
	}
	err := syscall.Kill(-n.process.Process.Pid, syscall.SIGKILL)
	n.release()
	_ = n.process.Wait() // killed: that is what was asked for
	n.process = nil
	return err
}

// Pause stops the node without ending it (SIGSTOP), as a machine that hangs: connections stay open and silent. It
// returns when the last thread has stopped.
func (n *Node) Pause() error {
	return freeze.Group(n.process.Process.Pid)
}

// Resume lets a paused node go on.
func (n *Node) Resume() error { return syscall.Kill(-n.process.Process.Pid, syscall.SIGCONT) }

// Restart starts the node again on its old ports and files, after a [Node.Kill] if it runs, and returns when it takes
// connections.
func (n *Node) Restart(ctx context.Context) error {
	if err := n.Kill(); err != nil {
		return fmt.Errorf("rabbit: %w", err)
	}
	output, err := os.OpenFile(n.path("output.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("rabbit: %w", err)
	}
	defer func() { _ = output.Close() }()
	command := exec.Command(server) //nolint:noctx // lives until Kill, not until the end of a call
	command.Env = n.environment()
	command.Dir = n.dir
	command.Stdout, command.Stderr = output, output
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		return fmt.Errorf("rabbit: %w", err)
	}
	n.process = command
	if err := n.hold(); err != nil {
		return fmt.Errorf("rabbit: %w", err)
	}
	return n.waitReady(ctx)
}

// Close ends the node and everything that it started. The files are left to the owner of the directory.
func (n *Node) Close() error { return n.Kill() }

// reap is the reaper's script. It waits for a line or the end of its input, kills the node, and then the port mapper:
// epmd makes itself a daemon and would stay behind, and it refuses to go while the node is registered with it.
const reap = `read -r order
kill -9 "-$1"
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	epmd -port "$2" -kill | grep -q Killed && break
	sleep 0.1
done
[ -n "$order" ] || [ -z "$3" ] || rm -rf "$3"`

// hold starts the reaper.
func (n *Node) hold() error {
	remove := ""
	if n.owned {
		remove = n.dir
	}
	pid, port := strconv.Itoa(n.process.Process.Pid), strconv.Itoa(n.ports.epmd)
	n.reaper = exec.Command("/bin/sh", "-c", reap, "reap", pid, port, remove) //nolint:gosec,noctx // outlives every call
	n.reaper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	leash, err := n.reaper.StdinPipe()
	if err != nil {
		return err
	}
	n.leash = leash
	return n.reaper.Start()
}

// release has the reaper do its work, but keep the files, and waits for it.
func (n *Node) release() {
	if n.reaper == nil {
		return
	}
	_, _ = io.WriteString(n.leash, "keep\n")
	_ = n.reaper.Wait() // its status is that of the last command, which may have had nothing to do
	n.reaper = nil
}

// waitReady returns when the node answers the protocol header (AMQP 0-9-1 section 4.2.2), which it does only once it is
// completely up.
func (n *Node) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ticker := time.NewTicker(readyStep)
	defer ticker.Stop()
	for {
		err := n.handshake(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("rabbit: not ready (%w), see %s", err, n.path("output.log"))
		}
	}
}

func (n *Node) handshake(ctx context.Context) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", n.ports.amqp))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("AMQP\x00\x00\x09\x01")); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, make([]byte, 7)) // the head of connection.start
	return err
}

func (n *Node) path(name string) string { return filepath.Join(n.dir, name) }
