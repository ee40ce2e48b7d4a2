package browser_test

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	buildTimeout = 5 * time.Minute
	readyTimeout = time.Minute
	stopTimeout  = 15 * time.Second
)

// startFleet builds and runs `orkestro dev` on free ports until the test ends, and returns its base URL.
func startFleet(t *testing.T) string {
	t.Helper()
	return startDev(t).base
}

// dev is `orkestro dev`, which keeps its address over restarts. What it logs is kept beside the screenshots.
type dev struct {
	t        *testing.T
	program  string
	settings []string
	base     string // URL
	log      *os.File

	process *os.Process // nil while it is not running
	ended   chan struct{}
}

// startDev builds and runs `orkestro dev` with these settings besides those of all tests, until the test ends.
func startDev(t *testing.T, settings ...string) *dev {
	t.Helper()
	program := filepath.Join(t.TempDir(), "orkestro")
	ctx, cancel := context.WithTimeout(t.Context(), buildTimeout)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "../../cmd/orkestro").CombinedOutput(); err != nil {
		t.Fatalf("build cmd/orkestro: %v\n%s", err, out)
	}
	log, err := os.Create(filepath.Join(artifacts(t), "orkestro.log"))
	if err != nil {
		t.Fatal(err)
	}
	d := &dev{t: t, program: program, settings: settings, base: "http://127.0.0.1:0", log: log}
	t.Cleanup(func() {
		d.end(syscall.SIGTERM)
		_ = log.Close()
	})
	d.start()
	return d
}

// start runs the program and waits until it is ready.
func (d *dev) start() {
	d.t.Helper()
	listen := strings.TrimPrefix(d.base, "http://")
	cmd := exec.Command(d.program, append([]string{
		"dev", "--listen=" + listen, "--media-listen=127.0.0.1:0", "--log-level=info",
	}, d.settings...)...)
	cmd.Stderr = d.log
	output, err := cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	addresses, ended := make(chan string, 1), make(chan struct{})
	d.process, d.ended = cmd.Process, ended
	go func() {
		defer close(ended)
		readBanner(output, d.log, addresses)
		_ = cmd.Wait() // a signal of end, or a crash that the tests notice
	}()
	select {
	case d.base = <-addresses:
	case <-ended:
		d.t.Fatalf("orkestro dev ended before it was ready, see %s", d.log.Name())
	case <-time.After(readyTimeout):
		d.t.Fatalf("orkestro dev was not ready within %s, see %s", readyTimeout, d.log.Name())
	}
}

// end ends the program by a signal, if it is running.
func (d *dev) end(signal syscall.Signal) {
	if d.process == nil {
		return
	}
	_ = d.process.Signal(signal)
	select {
	case <-d.ended:
	case <-time.After(stopTimeout):
		d.t.Errorf("orkestro dev did not end within %s", stopTimeout)
		_ = d.process.Kill()
		<-d.ended
	}
	d.process = nil
}

// readBanner copies output to log until it ends, and sends the base URL when the banner names the demo page.
func readBanner(output io.Reader, log io.Writer, addresses chan<- string) {
	demo := regexp.MustCompile(`(http://\S+)/demo/`)
	lines := bufio.NewScanner(io.TeeReader(output, log))
	for lines.Scan() {
		if match := demo.FindStringSubmatch(lines.Text()); match != nil {
			select {
			case addresses <- match[1]:
			default:
			}
		}
	}
}

// artifacts is the directory that CI keeps.
func artifacts(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../artifacts/browser")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	return dir
}
