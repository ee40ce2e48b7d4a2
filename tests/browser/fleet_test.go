package browser_test

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"
)

const (
	buildTimeout = 5 * time.Minute
	readyTimeout = time.Minute
	stopTimeout  = 15 * time.Second
)

// startFleet builds and runs `orkestro dev` on free ports until the test ends, and returns its base URL. What it logs is
// kept beside the screenshots.
func startFleet(t *testing.T) string {
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
	cmd := exec.Command(program, "dev", "--listen=127.0.0.1:0", "--media-listen=127.0.0.1:0", "--log-level=info")
	cmd.Stderr = log
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	addresses := make(chan string, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		readBanner(output, log, addresses)
		_ = cmd.Wait() // the signal below, or a crash that the tests notice
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(stopTimeout):
			t.Errorf("orkestro dev did not end within %s", stopTimeout)
			_ = cmd.Process.Kill()
			<-ended
		}
		_ = log.Close()
	})
	select {
	case address := <-addresses:
		return address
	case <-ended:
		t.Fatalf("orkestro dev ended before it was ready, see %s", log.Name())
	case <-time.After(readyTimeout):
		t.Fatalf("orkestro dev was not ready within %s, see %s", readyTimeout, log.Name())
	}
	return ""
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
