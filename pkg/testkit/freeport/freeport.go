// Package freeport finds ports for processes that tests start, kill and start again on the same address. It knows
// nothing of what listens there.
package freeport

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The ports to choose from. The kernel gives connections those from 32768 on (Linux) or 49152 on (RFC 6335 section 6):
// one of these may be taken while its process is away for a moment, and then it cannot come back.
const (
	first = 10_000
	last  = 32_767
	tries = 100
)

// Listen listens on a free loopback port. Whoever wants the port closes the listener, and has it to itself as long as
// nobody else chooses the same one by chance.
func Listen(ctx context.Context) (net.Listener, error) {
	var config net.ListenConfig
	var err error
	for range tries {
		port := first + rand.IntN(last-first+1) //nolint:gosec // chance will do
		var listener net.Listener
		if listener, err = config.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return listener, nil
		}
	}
	return nil, fmt.Errorf("freeport: none of %d was free: %w", tries, err)
}
