// Package contract_test reads the HTTP API contract sentence by sentence and asks a whole fleet, from the outside,
// whether it is so: exact shapes, statuses, headers, limits, and the messages that two users with real WebRTC
// connections get. It knows nothing but HTTP. The fleet is `orkestro dev` in a process of its own, or the one at
// ORKESTRO_CONTRACT_URL (with the key ORKESTRO_CONTRACT_KEY).
package contract_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/orkestro/orkestro/tests/harness"
)

// base and key are where the fleet is and what opens it.
var base, key = os.Getenv("ORKESTRO_CONTRACT_URL"), "devkey"

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("contract: skipped, it starts a whole fleet")
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if k := os.Getenv("ORKESTRO_CONTRACT_KEY"); k != "" {
		key = k
	}
	if base != "" {
		return m.Run()
	}
	stop, err := start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "contract:", err)
		return 1
	}
	status := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, "contract: the fleet did not end well:", err)
		return 1
	}
	return status
}

// start builds the program, runs it and sets base.
func start() (stop func() error, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	root, err := harness.Root()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "orkestro-contract")
	if err != nil {
		return nil, err
	}
	program := filepath.Join(dir, "orkestro")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "./cmd/orkestro")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w\n%s", err, out)
	}
	fleet := exec.Command(program, "dev", "--listen=127.0.0.1:0", "--media-listen=127.0.0.1:0")
	fleet.Stderr = os.Stderr
	out, err := fleet.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := fleet.Start(); err != nil {
		return nil, err
	}
	stop = func() error {
		_ = fleet.Process.Signal(syscall.SIGINT)
		_, _ = io.Copy(io.Discard, out)
		return errors.Join(fleet.Wait(), os.RemoveAll(dir))
	}
	if base = announced(out); base == "" {
		_ = stop()
		return nil, fmt.Errorf("the fleet did not say where its API is")
	}
	return stop, nil
}

// announced is the address of the API in what the program prints at its start.
func announced(out io.Reader) string {
	api := regexp.MustCompile(`API +(http://\S+)/v1 `)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if found := api.FindStringSubmatch(lines.Text()); found != nil {
			return found[1]
		}
	}
	return ""
}
