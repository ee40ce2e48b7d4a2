//go:build !linux

package harness

import "context"

// network is for Linux only.
type network struct{}

type host struct{ address string }

func newNetwork(context.Context) (*network, error)        { return nil, ErrNoNamespaces }
func (*network) gateway() string                          { return "" }
func (*network) add(context.Context) (*host, error)       { return nil, ErrNoNamespaces }
func (*network) close() error                             { return nil }
func (*host) command(string, []string) (string, []string) { return "", nil }
func (*host) cutOff(context.Context) error                { return ErrNoNamespaces }
func (*host) heal(context.Context) error                  { return ErrNoNamespaces }
func (*host) lose(context.Context, *host) error           { return ErrNoNamespaces }
func (*host) find(context.Context, *host) error           { return ErrNoNamespaces }
