package harness

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/testkit/rabbit"
)

const (
	startTimeout   = 5 * time.Minute // of a fleet, programs that are not built yet included
	sessionTimeout = 20 * time.Second
)

// Main runs the tests of a package that share one fleet, and gives the exit status. Without RabbitMQ they are skipped,
// but not in CI.
func Main(m *testing.M, name string, options Options, fleet **Fleet) int {
	flag.Parse()
	if testing.Short() {
		fmt.Printf("%s: skipped, it starts a whole fleet\n", name)
		return 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	started, err := Start(ctx, name, options)
	if errors.Is(err, rabbit.ErrNotInstalled) && os.Getenv("CI") == "" {
		fmt.Printf("%s: skipped, %v\n", name, err)
		return 0
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 1
	}
	*fleet = started
	status := m.Run()
	if err := started.Close(status != 0); err != nil {
		fmt.Fprintf(os.Stderr, "%s: the fleet did not end well: %v\n", name, err)
		return 1
	}
	return status
}

// NewSession makes a session that is closed at the end of the test. Both are tried until they are answered, since tests
// kill who would answer.
func (f *Fleet) NewSession(tb testing.TB) string {
	tb.Helper()
	var created struct {
		ID string `json:"id"`
	}
	request := Request{Method: http.MethodPost, Path: "/v1/sessions", Body: map[string]any{}}
	if _, err := f.API.Insist(tb.Context(), request, &created); err != nil {
		tb.Fatalf("create a session: %v", err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), sessionTimeout)
		defer cancel()
		_, err := f.API.Insist(ctx, Request{Method: http.MethodDelete, Path: "/v1/sessions/" + created.ID}, nil)
		if err != nil {
			tb.Errorf("close session %s: %v", created.ID, err)
		}
	})
	return created.ID
}
