package rabbit_test

import (
	"context"
	"net"
	"net/url"
	"testing"

	"github.com/orkestro/orkestro/pkg/testkit/rabbit"
)

func TestNode_KillAndRestart(t *testing.T) {
	node := rabbit.Start(t)
	address := host(t, node)
	if err := node.Kill(); err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("tcp", address); err == nil {
		_ = conn.Close()
		t.Fatal("a killed node takes connections")
	}
	if err := node.Restart(context.Background()); err != nil {
		t.Fatal(err)
	}
	if again := host(t, node); again != address {
		t.Fatalf("moved from %s to %s", address, again)
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

func TestShared_IsOneNode(t *testing.T) {
	if a, b := rabbit.Shared(t), rabbit.Shared(t); a.URL() != b.URL() {
		t.Fatalf("two nodes: %s, %s", a.URL(), b.URL())
	}
}

func host(t *testing.T, node *rabbit.Node) string {
	t.Helper()
	u, err := url.Parse(node.URL())
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

func TestNode_Lists(t *testing.T) {
	node := rabbit.Shared(t)
	queues, err := node.Queues(t.Context())
	if err != nil || len(queues) != 0 {
		t.Errorf("queues %v, %v", queues, err)
	}
	exchanges, err := node.Exchanges(t.Context())
	if err != nil || len(exchanges) != 0 {
		t.Errorf("exchanges %v, %v", exchanges, err)
	}
}
