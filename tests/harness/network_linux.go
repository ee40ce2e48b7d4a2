package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// network is a switch (a bridge of the kernel's) with hosts on it, each a network namespace with one cable to the
// switch. The machine itself is on it too, under the address of the gateway. Everything knows everybody's hardware
// address beforehand, so that what cannot be reached is silent from the first packet to the last; nothing ever finds
// out by a question (ARP) that was not answered.
type network struct {
	name   string // "ork<pid><letter>"
	subnet string // hostsPrefix and n
	serial int    // n
	hosts  []*host
}

// host is one namespace.
type host struct {
	network *network
	number  int
	name    string // of the namespace and of the switch's end of the cable
	address string
}

const (
	gatewayNumber = 1
	firstHost     = 10
)

// newNetwork makes a switch. What processes that are gone have left behind is removed first.
func newNetwork(ctx context.Context) (*network, error) {
	if os.Geteuid() != 0 {
		return nil, ErrNoNamespaces
	}
	sweepNetworks(ctx)
	used, err := ip(ctx, "-o", "-4", "address")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoNamespaces, err)
	}
	for letter := 'a'; letter <= 'z'; letter++ {
		n := &network{name: fmt.Sprintf("ork%d%c", os.Getpid(), letter), serial: os.Getpid() % 256}
		for n.subnet = fmt.Sprintf("%s%d", hostsPrefix, n.serial); strings.Contains(used, n.subnet+"."); {
			n.serial = (n.serial + 1) % 256
			n.subnet = fmt.Sprintf("%s%d", hostsPrefix, n.serial)
		}
		if err = n.up(ctx); err == nil {
			return n, n.tryHost(ctx)
		}
	}
	return nil, fmt.Errorf("%w: %w", ErrNoNamespaces, err)
}

// tryHost is ErrNoNamespaces, and n is gone, where switches are permitted and programs in namespaces are not.
func (n *network) tryHost(ctx context.Context) error {
	trial := n.name + "0"
	err := script(ctx, "netns add "+trial, "netns exec "+trial+" true")
	_, _ = ip(ctx, "netns", "delete", trial)
	if err != nil {
		return errors.Join(fmt.Errorf("%w: %w", ErrNoNamespaces, err), n.close()) //nolint:contextcheck // cleaning up is not for ctx to end
	}
	return nil
}

func (n *network) up(ctx context.Context) error {
	if _, err := ip(ctx, "link", "add", n.name, "type", "bridge", "forward_delay", "0"); err != nil {
		return err
	}
	err := script(ctx,
		"link set "+n.name+" address "+n.hardware(gatewayNumber),
		"address add "+n.gateway()+"/24 dev "+n.name,
		"link set "+n.name+" up")
	if err != nil {
		return errors.Join(err, n.close()) //nolint:contextcheck // as above
	}
	return nil
}

func (n *network) gateway() string { return n.number(gatewayNumber) }

func (n *network) number(host int) string { return fmt.Sprintf("%s.%d", n.subnet, host) }

// hardware is the hardware address of a host: locally administered (IEEE 802), made of its address.
func (n *network) hardware(host int) string {
	return fmt.Sprintf("02:00:0a:c7:%02x:%02x", n.serial, host)
}

// add puts one more host on the switch.
func (n *network) add(ctx context.Context) (*host, error) {
	h := &host{network: n, number: firstHost + len(n.hosts)}
	h.name, h.address = fmt.Sprintf("%s%d", n.name, h.number), n.number(h.number)
	if _, err := ip(ctx, "netns", "add", h.name); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoNamespaces, err)
	}
	n.hosts = append(n.hosts, h)
	inside := "-n " + h.name + " "
	err := script(ctx,
		"link add "+h.name+" type veth peer name eth0 netns "+h.name,
		"link set "+h.name+" master "+n.name,
		"link set "+h.name+" up",
		inside+"link set lo up",
		inside+"link set eth0 address "+n.hardware(h.number),
		inside+"address add "+h.address+"/24 dev eth0",
		inside+"link set eth0 up",
		"neighbour replace "+h.address+" lladdr "+n.hardware(h.number)+" dev "+n.name+" nud permanent",
		h.knows(gatewayNumber, gatewayNumber))
	if err != nil {
		return nil, err
	}
	for _, other := range n.hosts[:len(n.hosts)-1] {
		if err := script(ctx, h.knows(other.number, other.number), other.knows(h.number, h.number)); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// knows has h reach the address of one host at the hardware address of, usually, the same.
func (h *host) knows(other, hardware int) string {
	return fmt.Sprintf("-n %s neighbour replace %s lladdr %s dev eth0 nud permanent",
		h.name, h.network.number(other), h.network.hardware(hardware))
}

// command is the command line that runs a program on h.
func (h *host) command(program string, args []string) (string, []string) {
	return "ip", append([]string{"netns", "exec", h.name, program}, args...)
}

func (h *host) cutOff(ctx context.Context) error { return script(ctx, "link set "+h.name+" nomaster") }

func (h *host) heal(ctx context.Context) error {
	return script(ctx, "link set "+h.name+" master "+h.network.name)
}

// nobody is a host that is never there.
const nobody = 254

func (h *host) lose(ctx context.Context, other *host) error {
	return script(ctx, h.knows(other.number, nobody))
}

func (h *host) find(ctx context.Context, other *host) error {
	return script(ctx, h.knows(other.number, other.number))
}

func (n *network) close() error {
	ctx := context.Background()
	var errs []error
	for _, h := range n.hosts {
		errs = append(errs, script(ctx, "link delete "+h.name, "netns delete "+h.name))
	}
	_, err := ip(ctx, "link", "delete", n.name)
	return errors.Join(append(errs, err)...)
}

// sweepNetworks removes the networks of processes that ended without a chance to do it.
func sweepNetworks(ctx context.Context) {
	ours := regexp.MustCompile(`\bork(\d+)[a-z]\d*\b`)
	for _, kind := range []string{"netns", "link"} {
		list, _ := ip(ctx, kind, "list")
		for _, found := range ours.FindAllStringSubmatch(list, -1) {
			if _, err := os.Stat("/proc/" + found[1]); errors.Is(err, os.ErrNotExist) {
				_, _ = ip(ctx, kind, "delete", found[0])
			}
		}
	}
}

// script runs commands of ip(8) in turn, up to the first that fails.
func script(ctx context.Context, commands ...string) error {
	for _, command := range commands {
		if _, err := ip(ctx, strings.Fields(command)...); err != nil {
			return err
		}
	}
	return nil
}

func ip(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strconv.Quote(string(out)))
	}
	return string(out), nil
}
