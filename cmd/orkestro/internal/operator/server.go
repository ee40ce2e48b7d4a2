package operator

import (
	"context"
	"net/url"
	"time"
)

// MediaServer is a media server as the API shows it.
type MediaServer struct {
	ID           string `json:"id"`
	Instance     string `json:"instance"`
	Version      string `json:"version"`
	Region       string `json:"region"`
	URL          string `json:"url"`
	Availability string `json:"availability"`
	Status       string `json:"status"`
	Capacity     int    `json:"capacity"`
	Load         struct {
		CPU         float64 `json:"cpu"`
		MemoryBytes int64   `json:"memoryBytes"`
		Pipelines   int     `json:"pipelines"`
		Endpoints   int     `json:"endpoints"`
		BitrateIn   int64   `json:"bitrateIn"`
		BitrateOut  int64   `json:"bitrateOut"`
	} `json:"load"`
	Sessions    int       `json:"sessions"`
	HeartbeatAt time.Time `json:"heartbeatAt"`
}

// Servers lists the media servers of the fleet.
func (c *Client) Servers(ctx context.Context) ([]MediaServer, error) {
	return list[MediaServer](ctx, c, "/v1/admin/servers", url.Values{}, 0)
}
