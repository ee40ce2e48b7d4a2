package placement_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/wrapper/internal/placement"
)

var now = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func server(id string, change ...func(*control.MediaServer)) control.MediaServer {
	s := control.MediaServer{
		ID: control.MediaServerID(id), Instance: "i", Availability: control.AvailabilityActive, Status: control.StatusUp,
		HeartbeatAt: now, Load: control.Load{MemoryBytes: 100 << 20},
	}
	for _, c := range change {
		c(&s)
	}
	return s
}

func TestChoose_Refuses(t *testing.T) {
	cases := map[string]struct {
		change func(*control.MediaServer)
		reason string
	}{
		"down":     {func(s *control.MediaServer) { s.Status = control.StatusDown }, "status down"},
		"suspect":  {func(s *control.MediaServer) { s.Status = control.StatusSuspect }, "status suspect"},
		"draining": {func(s *control.MediaServer) { s.Availability = control.AvailabilityDraining }, "draining"},
		"silent":   {func(s *control.MediaServer) { s.HeartbeatAt = now.Add(-4 * time.Second) }, "silent for 4s"},
		"region":   {func(s *control.MediaServer) { s.Region = "us" }, `region "us"`},
		"full": {func(s *control.MediaServer) {
			s.Region, s.Capacity, s.Load.Pipelines = "eu", 3, 2
			s.Placed, s.Load.PipelinesCreated = 10, 9
		}, "full with 3 pipelines"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := placement.Choose([]control.MediaServer{server("m", c.change)},
				placement.Request{Region: "eu", Now: now})
			var coded *control.Error
			if !errors.As(err, &coded) || coded.Code != control.CodeNoCapacity || coded.RetryAfter != placement.RetryAfter {
				t.Fatalf("got %v, want no_capacity with Retry-After", err)
			}
			if !strings.Contains(coded.Detail, c.reason) {
				t.Errorf("detail %q does not say %q", coded.Detail, c.reason)
			}
		})
	}
}

func TestChoose_TakesTheLeastMemory(t *testing.T) {
	big := server("a", func(s *control.MediaServer) { s.Load.MemoryBytes = 200 << 20 })
	if got, err := placement.Choose([]control.MediaServer{big, server("b")}, placement.Request{Now: now}); err != nil ||
		got.ID != "b" {
		t.Fatalf("got %s, %v", got.ID, err)
	}
}

func TestChoose_PrefersTheServerOfBefore(t *testing.T) {
	big := server("a", func(s *control.MediaServer) { s.Load.MemoryBytes = 200 << 20 })
	got, err := placement.Choose([]control.MediaServer{server("b"), big}, placement.Request{Now: now, Prefer: "a"})
	if err != nil || got.ID != "a" {
		t.Fatalf("got %s, %v", got.ID, err)
	}
}

// A hundred sessions that are placed between two heartbeats spread over the servers.
func TestChoose_SpreadsWhatIsNotMeasuredYet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		servers := make([]control.MediaServer, rapid.IntRange(2, 6).Draw(t, "servers"))
		for i := range servers {
			servers[i] = server(string(rune('a' + i)))
		}
		count := rapid.IntRange(10, 100).Draw(t, "sessions")
		for range count {
			chosen, err := placement.Choose(servers, placement.Request{Now: now})
			if err != nil {
				t.Fatal(err)
			}
			for i := range servers {
				if servers[i].ID == chosen.ID {
					servers[i].Placed++
				}
			}
		}
		for _, s := range servers {
			if even := int64(count / len(servers)); s.Placed < even || s.Placed > even+1 {
				t.Fatalf("%s got %d of %d sessions on %d servers", s.ID, s.Placed, count, len(servers))
			}
		}
	})
}

// A hundred sessions that are placed while their users come back spread, too, although what a collector has freed and
// what a heartbeat has measured by then differs from server to server.
func TestChoose_SpreadsWhatIsMeasuredOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const mib = 1 << 20
		servers := make([]control.MediaServer, 3)
		for i := range servers {
			servers[i] = server(string(rune('a' + i)))
		}
		for range 100 {
			chosen, err := placement.Choose(servers, placement.Request{Now: now})
			if err != nil {
				t.Fatal(err)
			}
			for i := range servers {
				s := &servers[i]
				if s.ID == chosen.ID {
					s.Placed++
				}
				if rapid.IntRange(0, 9).Draw(t, "heartbeat") == 0 {
					s.Load.PipelinesCreated, s.Load.Pipelines = s.Placed, int(s.Placed)
					s.Load.MemoryBytes = 100*mib + s.Placed*mib/2 + int64(rapid.IntRange(-8, 8).Draw(t, "noise"))*mib
				}
			}
		}
		for _, s := range servers {
			if 3*s.Placed > 125 {
				t.Fatalf("%s got %d of 100 sessions on 3 servers", s.ID, s.Placed)
			}
		}
	})
}

func BenchmarkChoose_1000Servers(b *testing.B) {
	servers := make([]control.MediaServer, 1000)
	for i := range servers {
		servers[i] = server("m", func(s *control.MediaServer) { s.Load.MemoryBytes = int64(i*7919%1000) << 20 })
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := placement.Choose(servers, placement.Request{Now: now}); err != nil {
			b.Fatal(err)
		}
	}
}
