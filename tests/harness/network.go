package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
)

// hostsPrefix begins the addresses of all hosts of isolated fleets.
const hostsPrefix = "10.199."

// ErrNoNamespaces says that this machine, or this user, may not make network namespaces.
var ErrNoNamespaces = errors.New("harness: network namespaces are not permitted here (they need Linux, root and iproute2)")

// CutOff has every packet from and to the process dropped without a word, as a machine does whose cable was pulled. The
// fleet must be [Options.Isolated].
func (p *Process) CutOff(ctx context.Context) error { return p.host.cutOff(ctx) }

// Heal puts the cable back that CutOff pulled.
func (p *Process) Heal(ctx context.Context) error { return p.host.heal(ctx) }

// CutOffFrom has every packet of the process to one other, and so every conversation of the two, dropped without a word.
// The fleet must be [Options.Isolated].
func (p *Process) CutOffFrom(ctx context.Context, other *Process) error {
	return p.host.lose(ctx, other.host)
}

// HealFrom undoes CutOffFrom.
func (p *Process) HealFrom(ctx context.Context, other *Process) error {
	return p.host.find(ctx, other.host)
}

// forwarder gives hosts with an address of their own a way to what listens on the loopback interface only.
type forwarder struct {
	listener net.Listener
	target   string
	running  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	open   map[net.Conn]struct{}
}

// forward has address lead to target.
func forward(ctx context.Context, address, target string) (*forwarder, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	f := &forwarder{listener: listener, target: target, open: map[net.Conn]struct{}{}}
	f.running.Go(f.accept)
	return f, nil
}

func (f *forwarder) accept() {
	for {
		client, err := f.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", f.target) //nolint:noctx // refused or taken at once: it is this machine
		if err != nil {
			_ = client.Close()
			continue
		}
		if !f.keep(client, server) {
			return
		}
		f.running.Go(func() { f.pipe(client, server) })
		f.running.Go(func() { f.pipe(server, client) })
	}
}

// keep remembers connections for Close; false after it.
func (f *forwarder) keep(connections ...net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range connections {
		if f.closed {
			_ = c.Close()
			continue
		}
		f.open[c] = struct{}{}
	}
	return !f.closed
}

// pipe copies one way and ends both ways.
func (f *forwarder) pipe(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range []net.Conn{to, from} {
		_ = c.Close()
		delete(f.open, c)
	}
}

// Close ends every connection.
func (f *forwarder) Close() error {
	err := f.listener.Close()
	f.mu.Lock()
	f.closed = true
	for c := range f.open {
		_ = c.Close()
	}
	f.mu.Unlock()
	f.running.Wait()
	return err
}

// Why a fleet is together on one host, besides [ErrNoNamespaces].
var (
	errNotOrdered   = errors.New("harness: the fleet was not to be isolated")
	errForeignStore = errors.New("harness: a database that was there before may not be reached from another host")
)

// Isolated is nil if Wrappers and media servers can be cut off, and else says why they cannot. Errors: [ErrNoNamespaces]
// among others.
func (f *Fleet) Isolated() error {
	if f.network == nil {
		return f.together
	}
	return nil
}

// isolate makes the network of an isolated fleet, with a way to the broker, or notes why there is none.
func (f *Fleet) isolate(ctx context.Context) error {
	if os.Getenv(mongoVariable) != "" {
		f.together = errForeignStore
		return nil
	}
	n, err := newNetwork(ctx)
	if errors.Is(err, ErrNoNamespaces) {
		f.together = err
		return nil
	}
	if err != nil {
		return err
	}
	f.network = n
	broker, err := url.Parse(f.Broker.URL())
	if err != nil {
		return err
	}
	target := broker.Host
	broker.Host = net.JoinHostPort(f.network.gateway(), broker.Port())
	f.amqp = broker.String()
	f.forwarder, err = forward(ctx, broker.Host, target)
	return err
}

// isolated reports whether a service gets a host of its own: those that talk to each other do.
func (f *Fleet) isolated(service string) bool {
	return f.network != nil && (service == "wrapper" || service == "mediaserver")
}

// settle gives p a host of its own in the fleet's network.
func (f *Fleet) settle(ctx context.Context, p *Process) error {
	host, err := f.network.add(ctx)
	if err != nil {
		return err
	}
	p.host, p.Address = host, host.address+":8888"
	return nil
}

// disband ends the network.
func (f *Fleet) disband() error {
	var errs []error
	if f.forwarder != nil {
		errs = append(errs, f.forwarder.Close())
	}
	if f.network != nil {
		errs = append(errs, f.network.close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("harness: end the network: %w", err)
	}
	return nil
}

// networkSettings keep a media server off the networks of isolated fleets: another test's may go at any moment, and with
// it the path that a connection has chosen.
func (f *Fleet) networkSettings(service string) ([]string, error) {
	if service != "mediaserver" || f.isolated(service) {
		return nil, nil
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, i := range interfaces {
		addresses, err := i.Addrs()
		if err != nil {
			continue // it has gone meanwhile
		}
		foreign := func(a net.Addr) bool { return strings.HasPrefix(a.String(), hostsPrefix) }
		if len(addresses) > 0 && !slices.ContainsFunc(addresses, foreign) {
			names = append(names, i.Name)
		}
	}
	return []string{"--media-interfaces=" + strings.Join(names, ",")}, nil
}
