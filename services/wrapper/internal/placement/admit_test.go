package placement_test

import (
	"strings"
	"testing"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/wrapper/internal/placement"
)

// A server that is not trusted is not chosen, however empty it is, and not even if the session was there before.
func TestChoose_TakesOnlyMembers(t *testing.T) {
	stranger := server("a", func(s *control.MediaServer) { s.Load.MemoryBytes = 0 })
	request := placement.Request{Now: now, Prefer: "a", Admit: func(s control.MediaServer) string {
		if s.ID == "a" {
			return "membership forged"
		}
		return ""
	}}
	if got, err := placement.Choose([]control.MediaServer{stranger, server("b")}, request); err != nil || got.ID != "b" {
		t.Errorf("got %s, %v", got.ID, err)
	}
	_, err := placement.Choose([]control.MediaServer{stranger}, request)
	if control.CodeOf(err) != control.CodeNoCapacity || !strings.Contains(err.Error(), "a: membership forged") {
		t.Errorf("got %v", err)
	}
}
