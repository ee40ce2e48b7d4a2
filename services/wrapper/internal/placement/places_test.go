package placement_test

import (
	"sync"
	"testing"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/wrapper/internal/placement"
)

// What is chosen at the same moment, before any of it is reserved, spreads.
func TestPlaces_SpreadsWhatIsNotReservedYet(t *testing.T) {
	servers := []control.MediaServer{server("a"), server("b"), server("c")}
	places := placement.NewPlaces()
	var mu sync.Mutex
	var settle []func()
	chosen := map[control.MediaServerID]int{}
	var choosing sync.WaitGroup
	for range 90 {
		choosing.Go(func() {
			s, settled, err := places.Choose(servers, placement.Request{Now: now})
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			chosen[s.ID]++
			settle = append(settle, settled, settled) // once counts
		})
	}
	choosing.Wait()
	for _, s := range servers {
		if chosen[s.ID] != 30 {
			t.Errorf("%s was chosen %d times of 90", s.ID, chosen[s.ID])
		}
	}
	for _, settled := range settle {
		settled()
	}
	if s, _, err := places.Choose(servers, placement.Request{Now: now}); err != nil || s.ID != "a" || s.Placed != 0 {
		t.Errorf("got %s with %d placed, %v, after all was settled", s.ID, s.Placed, err)
	}
}
