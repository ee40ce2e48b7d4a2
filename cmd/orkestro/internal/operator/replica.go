package operator

import (
	"context"
	"net/url"
	"time"
)

// Replica is a process of the control plane as the API shows it.
type Replica struct {
	ID          string    `json:"id"`
	Service     string    `json:"service"`
	Version     string    `json:"version"`
	State       string    `json:"state"`
	StartedAt   time.Time `json:"startedAt"`
	HeartbeatAt time.Time `json:"heartbeatAt"`
}

// Replicas lists the REST and Wrapper replicas of the fleet.
func (c *Client) Replicas(ctx context.Context) ([]Replica, error) {
	return list[Replica](ctx, c, "/v1/admin/replicas", url.Values{}, 0)
}
