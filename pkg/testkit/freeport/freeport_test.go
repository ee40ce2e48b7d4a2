package freeport_test

import (
	"net"
	"testing"

	"github.com/orkestro/orkestro/pkg/testkit/freeport"
)

// TestListen_NoPortOfAConnection has ports be their owner's for as long as it wants, also while it is away.
func TestListen_NoPortOfAConnection(t *testing.T) {
	seen := map[int]bool{}
	for range 50 {
		listener, err := freeport.Listen(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = listener.Close() }()
		port := listener.Addr().(*net.TCPAddr).Port
		if port >= 32_768 || port < 1024 || seen[port] {
			t.Errorf("port %d", port)
		}
		seen[port] = true
	}
}
