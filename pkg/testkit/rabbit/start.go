package rabbit

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
)

// Start runs a node for one test. A machine without RabbitMQ skips the test, unless the environment says CI=true.
func Start(tb testing.TB) *Node {
	tb.Helper()
	node, err := Open(context.Background(), tb.TempDir())
	if err != nil {
		refuse(tb, err)
	}
	tb.Cleanup(func() { _ = node.Close() })
	return node
}

// StartManaged is [Start] of a node with the management plugin.
func StartManaged(tb testing.TB) *Node {
	tb.Helper()
	node, err := OpenManaged(context.Background(), tb.TempDir())
	if err != nil {
		refuse(tb, err)
	}
	tb.Cleanup(func() { _ = node.Close() })
	return node
}

// Shared is one node for all tests of a test binary, started by the first that asks and gone with the process. Tests
// use names of their own and leave the node running. Skips as [Start] does.
func Shared(tb testing.TB) *Node {
	tb.Helper()
	node, err := shared()
	if err != nil {
		refuse(tb, err)
	}
	return node
}

//nolint:gochecknoglobals // a test binary has no other place for what all its tests share
var shared = sync.OnceValues(func() (*Node, error) {
	dir, err := os.MkdirTemp("", "orkestro-rabbit-")
	if err != nil {
		return nil, err
	}
	node, err := open(context.Background(), &Node{dir: dir, owned: true})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return node, nil
})

func refuse(tb testing.TB, err error) {
	tb.Helper()
	if errors.Is(err, ErrNotInstalled) && os.Getenv("CI") != "true" {
		tb.Skip(err)
	}
	tb.Fatal(err)
}
