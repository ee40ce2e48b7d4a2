package control

import (
	"slices"
	"testing"
	"time"
)

// Where objects live until they are released, sessions that hold none still end: a fleet whose Wrappers reconnect now and
// then would otherwise use up the ids that a server takes.
func TestSessions_ThatHoldNothingEndWithoutPeriod(t *testing.T) {
	now := time.Now()
	s := newSessions()
	s.now = func() time.Time { return now }
	for _, id := range []string{"empty", "holds", "was used"} {
		if err := s.use(id, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.reference("holds", "pipeline"); err != nil {
		t.Fatal(err)
	}
	now = now.Add(idlePeriod - time.Second)
	if !s.known("was used") {
		t.Error("a session has gone too early")
	}
	now = now.Add(time.Second)
	if orphaned := s.expire(0); len(orphaned) > 0 {
		t.Errorf("released: %v", orphaned)
	}
	if left := s.ids(); !slices.Equal(left, []string{"holds", "was used"}) {
		t.Errorf("left: %v", left)
	}
}
