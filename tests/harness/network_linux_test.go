package harness

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"testing"
	"time"
)

// TestNetwork_CutOff has a host speak to this machine, with its cable in place, pulled, and back again; and to another
// host that only it loses.
func TestNetwork_CutOff(t *testing.T) {
	ctx := t.Context()
	n, err := newNetwork(ctx)
	if errors.Is(err, ErrNoNamespaces) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.close(); err != nil {
			t.Error(err)
		}
	})
	var hosts [2]*host
	for i := range hosts {
		if hosts[i], err = n.add(ctx); err != nil {
			t.Fatal(err)
		}
	}
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	way, err := forward(ctx, net.JoinHostPort(n.gateway(), "0"), server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = way.Close() }()
	h := hosts[0]
	expect := func(when string, reached bool) {
		t.Helper()
		if got := reaches(ctx, h, way.listener.Addr().String()); got != reached {
			t.Errorf("%s: reached: %v", when, got)
		}
	}
	expect("at first", true)
	for _, step := range []struct {
		name string
		do   func() error
		want bool
	}{
		{"cut off", func() error { return h.cutOff(ctx) }, false},
		{"healed", func() error { return h.heal(ctx) }, true},
		{"another host is lost", func() error { return h.lose(ctx, hosts[1]) }, true},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		expect(step.name, step.want)
	}
	if pings(ctx, h, hosts[1]) {
		t.Error("a lost host is reached")
	}
	if err := h.find(ctx, hosts[1]); err != nil {
		t.Fatal(err)
	}
	if !pings(ctx, h, hosts[1]) {
		t.Error("a host that was found again is not reached")
	}
}

// reaches connects from h.
func reaches(ctx context.Context, h *host, address string) bool {
	to, port, _ := net.SplitHostPort(address)
	return onHost(ctx, h, "exec 3<>/dev/tcp/"+to+"/"+port) == nil
}

// pings finds out whether other answers h, with a refusal: nothing listens there.
func pings(ctx context.Context, h, other *host) bool {
	err := onHost(ctx, h, "exec 3<>/dev/tcp/"+other.address+"/9")
	var refused *exec.ExitError
	return errors.As(err, &refused) && refused.ExitCode() > 0
}

func onHost(ctx context.Context, h *host, script string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	program, args := h.command("bash", []string{"-c", script})
	return exec.CommandContext(ctx, program, args...).Run()
}
