package rabbit

import "context"

// Count is how many there are of what rabbitmqctl can list: "bindings", "connections", "channels", "consumers".
func (n *Node) Count(ctx context.Context, what string) (int, error) {
	rows, err := n.list(ctx, "list_"+what)
	return len(rows), err
}
