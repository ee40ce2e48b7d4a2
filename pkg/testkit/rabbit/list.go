package rabbit

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// control is the program that asks a node; the one in the PATH insists on another account.
const control = "/usr/lib/rabbitmq/bin/rabbitmqctl"

// Queues lists the names of all queues, with the number of messages in each, those that a consumer holds included.
func (n *Node) Queues(ctx context.Context) (map[string]int, error) {
	rows, err := n.list(ctx, "list_queues", "name", "messages")
	if err != nil {
		return nil, err
	}
	queues := map[string]int{}
	for _, row := range rows {
		name, messages, _ := strings.Cut(row, "\t")
		count := 0
		if _, err := fmt.Sscan(messages, &count); err != nil {
			return nil, fmt.Errorf("rabbit: messages of queue %s: %w", name, err)
		}
		queues[name] = count
	}
	return queues, nil
}

// Exchanges lists the names of all exchanges but those that every node has.
func (n *Node) Exchanges(ctx context.Context) ([]string, error) {
	rows, err := n.list(ctx, "list_exchanges", "name")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, name := range rows {
		if !strings.HasPrefix(name, "amq.") {
			names = append(names, name)
		}
	}
	return names, nil
}

func (n *Node) list(ctx context.Context, what string, columns ...string) ([]string, error) {
	args := append([]string{"--quiet", "--no-table-headers", "-n", n.name(), what}, columns...)
	command := exec.CommandContext(ctx, control, args...) //nolint:gosec // RabbitMQ's own tool, at its own place
	command.Env = n.environment()
	command.Dir = n.dir
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("rabbit: %s: %w", what, err)
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' }), nil
}
