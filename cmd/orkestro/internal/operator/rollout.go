package operator

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Rollout is the replacement of the media servers of other versions, as the API shows it.
type Rollout struct {
	ID        string        `json:"id"`
	To        string        `json:"to"`
	Percent   int           `json:"percent"`
	Timeout   string        `json:"timeout"`
	State     string        `json:"state"`
	Reason    string        `json:"reason"`
	StartedAt time.Time     `json:"startedAt"`
	StartedBy string        `json:"startedBy"`
	EndedAt   *time.Time    `json:"endedAt,omitempty"`
	Total     int           `json:"total"`
	Replaced  int           `json:"replaced"`
	Share     *RolloutShare `json:"share"`
	Failures  struct {
		Old RolloutOutcome `json:"old"`
		New RolloutOutcome `json:"new"`
	} `json:"failures"`
}

// RolloutShare is the servers that are being replaced now.
type RolloutShare struct {
	Number   int       `json:"number"`
	Phase    string    `json:"phase"`
	Since    time.Time `json:"since"`
	Deadline time.Time `json:"deadline"`
	Servers  []struct {
		ID         string `json:"id"`
		Instance   string `json:"instance"`
		Version    string `json:"version"`
		State      string `json:"state"`
		Remaining  int    `json:"remaining"`
		ReplacedBy string `json:"replacedBy,omitempty"`
	} `json:"servers"`
}

// RolloutOutcome is what became of connections on some servers.
type RolloutOutcome struct {
	Connected   int64 `json:"connected"`
	Failed      int64 `json:"failed"`
	ServersLost int64 `json:"serversLost"`
}

// NewRollout is what a rollout begins with.
type NewRollout struct {
	To      string `json:"to"`
	Percent int    `json:"percent"`
	Timeout string `json:"timeout"`
}

const rolloutsPath = "/v1/admin/rollouts"

// StartRollout begins a rollout.
func (c *Client) StartRollout(ctx context.Context, n NewRollout) (Rollout, error) {
	var r Rollout
	return r, c.call(ctx, http.MethodPost, rolloutsPath, n, &r)
}

// Rollouts lists up to limit rollouts, newest first; 0: all of them.
func (c *Client) Rollouts(ctx context.Context, limit int) ([]Rollout, error) {
	return list[Rollout](ctx, c, rolloutsPath, url.Values{}, limit)
}

// Rollout reads one rollout.
func (c *Client) Rollout(ctx context.Context, id string) (Rollout, error) {
	var r Rollout
	return r, c.get(ctx, rolloutsPath+"/"+url.PathEscape(id), &r)
}

// SteerRollout does something to a rollout: "pause", "resume" or "abort".
func (c *Client) SteerRollout(ctx context.Context, id, what string) (Rollout, error) {
	var r Rollout
	return r, c.call(ctx, http.MethodPost, rolloutsPath+"/"+url.PathEscape(id)+"/"+what, nil, &r)
}
