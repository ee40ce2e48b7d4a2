package control

import (
	"fmt"
	"testing"
	"time"
)

// Sessions that end by the thousand, as when a machine full of clients goes, hold nobody up for long: events and
// requests of all others wait meanwhile.
func TestSessions_ThousandsEndAtOnce(t *testing.T) {
	now := time.Now()
	s := newSessions()
	s.now = func() time.Time { return now }
	const count, each = 5000, 20
	for i := range count {
		id := fmt.Sprint("session", i)
		for k := range each {
			if _, err := s.subscribe(id, topic{fmt.Sprint("object", i, "/", k), "Error"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, err := s.subscribe("stays", topic{"object0/0", "Error"})
	if err == nil {
		t.Fatal("there is room for more subscriptions than this test is about")
	}
	s.forget("object0/0")
	stays, err := s.subscribe("stays", topic{"object0/1", "Error"})
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(idlePeriod)
	s.known("stays")
	began := time.Now()
	s.expire(idlePeriod)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("%d sessions with %d subscriptions each ended in %s", count, each, took)
	}
	if len(s.byID) != 1 || len(s.subscriptions.byID) != 1 || s.subscriptions.byID[stays.id] != stays {
		t.Errorf("%d sessions and %d subscriptions are left", len(s.byID), len(s.subscriptions.byID))
	}
}
