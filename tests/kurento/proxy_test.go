package kurento_test

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// A server that is restarted has ten seconds to be there again.
const (
	dialTries = 500
	dialPause = 20 * time.Millisecond
)

// proxy is the network between a client and a server. It can break every connection that goes through it.
type proxy struct {
	listener net.Listener
	target   string
	wg       sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, target: target, conns: map[net.Conn]struct{}{}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.cut()
		p.wg.Wait()
	})
	return p
}

// url is where clients connect.
func (p *proxy) url() string { return "ws://" + p.listener.Addr().String() + "/kurento" }

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := p.dial()
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = struct{}{}, struct{}{}
		p.mu.Unlock()
		p.wg.Go(func() { p.pass(client, server) })
		p.wg.Go(func() { p.pass(server, client) })
	}
}

// dial waits for a server that is being restarted: kurento-client ends its process when a connection is refused.
func (p *proxy) dial() (server net.Conn, err error) {
	for range dialTries {
		if server, err = net.Dial("tcp", p.target); err == nil {
			break
		}
		time.Sleep(dialPause)
	}
	return server, err
}

func (p *proxy) pass(from, to net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, from)
}

// cut resets every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // what a reset is to the kernel
		}
		_ = conn.Close()
	}
}
