package main

import (
	"context"
	"fmt"
)

// replicasCommand is `orkestro replicas`.
type replicasCommand struct {
	List listReplicas `aliases:"list" cmd:"" help:"List REST and Wrapper replicas." name:"ls"`
}

// listReplicas is `orkestro replicas ls`.
type listReplicas struct {
	apiFlags
	output
}

// Run implements the command.
func (c *listReplicas) Run(ctx context.Context, t terminal) error {
	replicas, err := c.client().Replicas(ctx)
	if err != nil {
		return fmt.Errorf("list replicas: %w", err)
	}
	return c.print(t.out, replicas, func() [][]string {
		rows := [][]string{{"REPLICA", "SERVICE", "STATE", "VERSION", "UP FOR", "HEARTBEAT"}}
		for _, r := range replicas {
			rows = append(rows, []string{r.ID, r.Service, r.State, r.Version, age(r.StartedAt), age(r.HeartbeatAt)})
		}
		return rows
	})
}
