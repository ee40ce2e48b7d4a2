// Package placement chooses the media server for a pipeline: filters that say why a server is out, then a ranking of
// the rest. The session logic calls it. It does no I/O: it is given the servers as they were last seen, and whoever
// uses the choice has it confirmed by the store.
package placement

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
)

const (
	// HeartbeatLimit is how long a server may be silent: one that was silent for longer gets no
	// new pipelines. Three heartbeats, of one second each.
	HeartbeatLimit = 3 * time.Second
	// RetryAfter is when asking again makes sense if there is no room: after the next heartbeats.
	RetryAfter = 2 * time.Second
	// pipelineEstimateBytes is the memory that a pipeline counts for until the server's own measurement holds it. Chosen:
	// a session of a few users.
	pipelineEstimateBytes = 8 << 20
	// growthBytes is what a pipeline that is measured counts beyond the memory in use: its users come, and come back,
	// one after the other. Chosen: half of them, so that a hundred pipelines placed at once spread, whatever the
	// collector has freed where.
	growthBytes = pipelineEstimateBytes / 2
)

// Request is what a pipeline needs.
type Request struct {
	Region  string                  // "": anywhere
	Prefer  control.MediaServerID   // taken if it fits at all: the server that a session was on before
	Exclude []control.MediaServerID // tried already
	Now     time.Time
	// Admit is why the fleet does not trust a server, "" if it does; nil: it asks for no membership.
	Admit func(control.MediaServer) string
}

// Choose is the server with the least memory in use among those that fit, counting what was placed there and not yet
// measured, and what is there and will grow. Errors: [control.CodeNoCapacity] saying why each server is out.
func Choose(servers []control.MediaServer, r Request) (control.MediaServer, error) {
	var fit []control.MediaServer
	var reasons []string
	for _, server := range servers {
		if reason := refuse(server, r); reason != "" {
			reasons = append(reasons, fmt.Sprintf("%s: %s", server.ID, reason))
			continue
		}
		if server.ID == r.Prefer {
			return server, nil
		}
		fit = append(fit, server)
	}
	if len(fit) == 0 {
		return control.MediaServer{}, noCapacity(reasons)
	}
	return slices.MinFunc(fit, func(a, b control.MediaServer) int {
		return cmp.Or(cmp.Compare(weight(a), weight(b)), cmp.Compare(a.ID, b.ID))
	}), nil
}

func noCapacity(reasons []string) error {
	detail := "no media server is registered"
	if len(reasons) > 0 {
		slices.Sort(reasons)
		detail = "no media server can take the session (" + strings.Join(reasons, "; ") + ")"
	}
	return &control.Error{Code: control.CodeNoCapacity, Detail: detail, RetryAfter: RetryAfter}
}

// refuse is the first reason why a server cannot take the pipeline, "" if it can.
func refuse(server control.MediaServer, r Request) string {
	switch {
	case slices.Contains(r.Exclude, server.ID):
		return "tried already"
	case server.Status != control.StatusUp:
		return fmt.Sprintf("status %s", server.Status)
	case server.Availability != control.AvailabilityActive:
		return string(server.Availability)
	case r.Now.Sub(server.HeartbeatAt) > HeartbeatLimit:
		return fmt.Sprintf("silent for %s", r.Now.Sub(server.HeartbeatAt).Round(100*time.Millisecond))
	case r.Region != "" && r.Region != server.Region:
		return fmt.Sprintf("region %q", server.Region)
	case server.Capacity > 0 && pipelines(server) >= int64(server.Capacity):
		return fmt.Sprintf("full with %d pipelines", pipelines(server))
	case r.Admit != nil:
		return r.Admit(server)
	default:
		return ""
	}
}

// weight is the memory in use, in bytes.
func weight(s control.MediaServer) int64 {
	return s.Load.MemoryBytes + unmeasured(s)*pipelineEstimateBytes + pipelines(s)*growthBytes
}

// pipelines counts those that are there and those on their way.
func pipelines(s control.MediaServer) int64 { return int64(s.Load.Pipelines) + unmeasured(s) }

// unmeasured is what was placed since the load was measured.
func unmeasured(s control.MediaServer) int64 { return max(0, s.Placed-s.Load.PipelinesCreated) }
