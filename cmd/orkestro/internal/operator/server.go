package operator

import (
	"context"
	"net/http"
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
	Drain       *Drain    `json:"drain,omitempty"`
	HeartbeatAt time.Time `json:"heartbeatAt"`
}

// Drain is how a media server is being emptied.
type Drain struct {
	Since     time.Time `json:"since"`
	Deadline  time.Time `json:"deadline"`
	Then      string    `json:"then"`
	By        string    `json:"by"`
	Remaining int       `json:"remaining"`
	Waiting   string    `json:"waiting,omitempty"`
}

// Servers lists the media servers of the fleet.
func (c *Client) Servers(ctx context.Context) ([]MediaServer, error) {
	return list[MediaServer](ctx, c, "/v1/admin/servers", url.Values{}, 0)
}

// DrainServer empties a media server, or changes how that is done. then is what happens after timeout to the sessions
// that are left: "relocate" or "wait".
func (c *Client) DrainServer(ctx context.Context, id string, timeout time.Duration, then string) (MediaServer, error) {
	var s MediaServer
	body := map[string]string{"timeout": timeout.String(), "then": then}
	return s, c.call(ctx, http.MethodPost, drainPath(id), body, &s)
}

// UndrainServer gives a media server work again.
func (c *Client) UndrainServer(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, drainPath(id), nil, nil)
}

func drainPath(id string) string { return "/v1/admin/servers/" + url.PathEscape(id) + "/drain" }
