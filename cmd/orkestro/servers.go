package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/orkestro/orkestro/cmd/orkestro/internal/operator"
)

// serversCommand is `orkestro servers`.
type serversCommand struct {
	List    listServers   `aliases:"list" cmd:"" help:"List media servers with their load." name:"ls"`
	Drain   drainServer   `cmd:"" help:"Empty a media server: no new session is placed on it, those on it go on."`
	Undrain undrainServer `cmd:"" help:"Give a media server work again."`
}

// listServers is `orkestro servers ls`.
type listServers struct {
	apiFlags
	output
}

// Run implements the command.
func (c *listServers) Run(ctx context.Context, t terminal) error {
	servers, err := c.client().Servers(ctx)
	if err != nil {
		return fmt.Errorf("list media servers: %w", err)
	}
	return c.print(t.out, servers, func() [][]string {
		rows := [][]string{{
			"SERVER", "STATUS", "AVAILABILITY", "DRAIN", "VERSION", "REGION", "SESSIONS", "ENDPOINTS", "CPU", "MEMORY", "IN",
			"OUT", "HEARTBEAT", "URL",
		}}
		for _, s := range servers {
			rows = append(rows, []string{
				s.ID, s.Status, s.Availability, drainOf(s), s.Version, orDash(s.Region), strconv.Itoa(s.Sessions),
				strconv.Itoa(s.Load.Endpoints), fmt.Sprintf("%.2f", s.Load.CPU), fmt.Sprintf("%d MiB", s.Load.MemoryBytes>>20),
				bitrate(s.Load.BitrateIn), bitrate(s.Load.BitrateOut), age(s.HeartbeatAt), s.URL,
			})
		}
		return rows
	})
}

// drainServer is `orkestro servers drain`.
type drainServer struct {
	apiFlags
	output
	ID      string        `arg:"" help:"Id of the media server." name:"id"`
	Timeout time.Duration `default:"1h" help:"How long the sessions have to end by themselves, 0s to 168h."`
	Then    string        `default:"relocate" enum:"relocate,wait" help:"What happens to those that are left then: they are moved to other servers while their media goes on (relocate), or waited for (wait)."` //nolint:lll // one flag, one line
}

// Run implements the command.
func (c *drainServer) Run(ctx context.Context, t terminal) error {
	s, err := c.client().DrainServer(ctx, c.ID, c.Timeout, c.Then)
	if err != nil {
		return fmt.Errorf("drain media server %s: %w", c.ID, err)
	}
	return c.print(t.out, s, func() [][]string {
		return [][]string{{"SERVER", "AVAILABILITY", "SESSIONS", "DRAIN"}, {
			s.ID, s.Availability, strconv.Itoa(s.Sessions), drainOf(s),
		}}
	})
}

// undrainServer is `orkestro servers undrain`.
type undrainServer struct {
	apiFlags
	ID string `arg:"" help:"Id of the media server." name:"id"`
}

// Run implements the command.
func (c *undrainServer) Run(ctx context.Context, t terminal) error {
	if err := c.client().UndrainServer(ctx, c.ID); err != nil {
		return fmt.Errorf("undrain media server %s: %w", c.ID, err)
	}
	_, err := fmt.Fprintf(t.out, "%s is active.\n", c.ID)
	return err
}

// drainOf is how far the drain of a server is.
func drainOf(s operator.MediaServer) string {
	switch {
	case s.Drain == nil:
		return "-"
	case s.Availability == "drained":
		return "by " + s.Drain.By
	}
	text := fmt.Sprintf("%d left, %s", s.Drain.Remaining, s.Drain.Then)
	if left := time.Until(s.Drain.Deadline); left > 0 {
		text += " in " + left.Round(time.Second).String()
	} else {
		text += " since " + age(s.Drain.Deadline)
	}
	text += ", by " + s.Drain.By
	if s.Drain.Waiting != "" {
		text += ": " + s.Drain.Waiting
	}
	return text
}

// bitrate is bits per second, short enough for a table.
func bitrate(bps int64) string {
	switch {
	case bps >= 1_000_000:
		return fmt.Sprintf("%.1f Mbit/s", float64(bps)/1e6)
	case bps >= 1_000:
		return fmt.Sprintf("%.0f kbit/s", float64(bps)/1e3)
	default:
		return fmt.Sprintf("%d bit/s", bps)
	}
}
