package rabbit

import (
	"errors"
	"os"
)

// Wipe kills the node and takes its data away: after [Node.Restart] it knows of no queue and no message.
func (n *Node) Wipe() error { return errors.Join(n.Kill(), os.RemoveAll(n.path("mnesia"))) }
