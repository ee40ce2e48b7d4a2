package main

import (
	"context"
	"fmt"
	"strconv"
)

// serversCommand is `orkestro servers`.
type serversCommand struct {
	List listServers `aliases:"list" cmd:"" help:"List media servers with their load." name:"ls"`
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
			"SERVER", "STATUS", "AVAILABILITY", "REGION", "SESSIONS", "ENDPOINTS", "CPU", "MEMORY", "IN", "OUT",
			"HEARTBEAT", "URL",
		}}
		for _, s := range servers {
			rows = append(rows, []string{
				s.ID, s.Status, s.Availability, orDash(s.Region), strconv.Itoa(s.Sessions), strconv.Itoa(s.Load.Endpoints),
				fmt.Sprintf("%.2f", s.Load.CPU), fmt.Sprintf("%d MiB", s.Load.MemoryBytes>>20),
				bitrate(s.Load.BitrateIn), bitrate(s.Load.BitrateOut), age(s.HeartbeatAt), s.URL,
			})
		}
		return rows
	})
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
