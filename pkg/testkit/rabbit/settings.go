package rabbit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/orkestro/orkestro/pkg/testkit/freeport"
)

// ports are the loopback ports of one node.
type ports struct{ amqp, distribution, epmd, management int }

// freePorts picks ports that are free, and stay so while the node is away.
func freePorts(ctx context.Context) (ports, error) {
	var p ports
	for _, port := range []*int{&p.amqp, &p.distribution, &p.epmd, &p.management} {
		listener, err := freeport.Listen(ctx)
		if err != nil {
			return ports{}, err
		}
		// All are held until each has its own.
		defer func() { _ = listener.Close() }()
		*port = listener.Addr().(*net.TCPAddr).Port
	}
	return p, nil
}

// writeFiles makes the node's configuration. The cookie keeps other nodes of this machine out; Erlang wants it
// unreadable for others.
func (n *Node) writeFiles() error {
	config := fmt.Sprintf("listeners.tcp.default = 127.0.0.1:%d\n"+
		"disk_free_limit.absolute = 50MB\n"+
		"vm_memory_high_watermark.relative = 0.7\n"+
		"log.file.level = warning\n", n.ports.amqp)
	plugins := "[].\n"
	if n.managed {
		config += fmt.Sprintf("management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = %d\n", n.ports.management)
		plugins = "[rabbitmq_management].\n"
	}
	return errors.Join(
		writeOnce(n.path(".erlang.cookie"), "orkestro-test-node", 0o400),
		writeOnce(n.path("rabbitmq.conf"), config, 0o600),
		writeOnce(n.path("enabled_plugins"), plugins, 0o600),
		writeOnce(n.path("rabbitmq-env.conf"), "", 0o600),
	)
}

func writeOnce(path, content string, mode os.FileMode) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	return os.WriteFile(path, []byte(content), mode)
}

func (n *Node) name() string { return fmt.Sprintf("orkestro%d@localhost", n.ports.amqp) }

// environment is all that the node is told. Schedulers do not spin while idle: tests share their machine.
func (n *Node) environment() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + n.dir,
		"LANG=C.UTF-8",
		"RABBITMQ_NODENAME=" + n.name(),
		"RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
		fmt.Sprintf("RABBITMQ_NODE_PORT=%d", n.ports.amqp),
		fmt.Sprintf("RABBITMQ_DIST_PORT=%d", n.ports.distribution),
		"RABBITMQ_MNESIA_BASE=" + n.path("mnesia"),
		"RABBITMQ_LOG_BASE=" + n.path("log"),
		"RABBITMQ_CONFIG_FILE=" + n.path("rabbitmq.conf"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + n.path("enabled_plugins"),
		"RABBITMQ_CONF_ENV_FILE=" + n.path("rabbitmq-env.conf"),
		"RABBITMQ_PID_FILE=" + n.path("pid"),
		fmt.Sprintf("ERL_EPMD_PORT=%d", n.ports.epmd),
		"ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1} " +
			"+sbwt none +sbwtdcpu none +sbwtdio none",
	}
}
