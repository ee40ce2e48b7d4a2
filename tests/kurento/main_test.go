package kurento_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/orkestro/orkestro/tests/harness"
)

var (
	// server is the media server that tests share; those that restart or count use one of their own.
	server *harness.Alone
	// modules is the directory of the Node modules.
	modules string
)

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("kurento: skipped, it starts Node and installs modules")
		return
	}
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil && os.Getenv("CI") == "" {
			fmt.Println("kurento: skipped,", err)
			return
		}
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var err error
	if modules, err = install(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "kurento:", err)
		return 1
	}
	files, err := os.MkdirTemp("", "orkestro-kurento")
	if err != nil {
		fmt.Fprintln(os.Stderr, "kurento:", err)
		return 1
	}
	defer func() { _ = os.RemoveAll(files) }()
	if server, err = harness.StartAlone(ctx, "--media-files="+files); err != nil {
		fmt.Fprintln(os.Stderr, "kurento:", err)
		return 1
	}
	status := m.Run()
	if err := server.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "kurento:", err)
		return 1
	}
	return status
}
