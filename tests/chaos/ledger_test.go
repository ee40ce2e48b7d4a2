package main

import (
	"testing"
	"time"
)

// TestAudit has histories that are wrong in one way each.
func TestAudit(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
	id := func(n int) string { return "id-" + string(rune('0'+n)) }
	message := func(n int, o outcome) sent {
		return sent{from: "ann", n: n, began: at(n), ended: at(n), outcome: o, id: id(n)}
	}
	four := []sent{
		message(1, acknowledged), message(2, acknowledged), message(3, acknowledged), message(4, acknowledged),
	}
	get := func(numbers ...int) []received {
		var list []received
		for _, n := range numbers {
			list = append(list, received{from: "ann", n: n, id: id(n), at: at(n)})
		}
		return list
	}
	direct := message(2, acknowledged)
	direct.to = "cleo"
	for name, test := range map[string]struct {
		sent []sent
		h    history
		want string
	}{
		"all there":             {four, history{complete: true, received: get(1, 2, 3, 4)}, ""},
		"one lost":              {four, history{complete: true, received: get(1, 3, 4)}, "lost"},
		"the last lost":         {four, history{complete: true, received: get(1, 2, 3)}, "lost"},
		"all lost":              {four, history{complete: true}, "lost"},
		"the last not yet":      {four, history{received: get(1, 2, 3)}, ""},
		"one lost in the midst": {four, history{received: get(1, 2, 4)}, "lost"},
		"sent before the join":  {four, history{complete: true, since: at(2), received: get(3, 4)}, ""},
		"one twice":             {four, history{complete: true, received: get(1, 2, 2, 3, 4)}, "twice"},
		"one twice, later":      {four, history{complete: true, received: get(1, 2, 3, 4, 2)}, "twice"},
		"out of order":          {four, history{complete: true, received: get(1, 3, 2, 4)}, "order"},
		"another id": {four[:1], history{complete: true, received: []received{
			{from: "ann", n: 1, id: "other"},
		}}, "id"},
		"never sent":           {four, history{complete: true, received: get(1, 2, 3, 4, 5)}, "never sent"},
		"unknown, has come":    {[]sent{message(1, unknown)}, history{complete: true, received: get(1)}, ""},
		"unknown, has not":     {[]sent{message(1, unknown)}, history{complete: true}, ""},
		"unknown, twice":       {[]sent{message(1, unknown)}, history{complete: true, received: get(1, 1)}, "twice"},
		"refused, has come":    {[]sent{message(1, refused)}, history{complete: true, received: get(1)}, "refused"},
		"for somebody else":    {[]sent{four[0], direct}, history{user: "ben", complete: true, received: get(1)}, ""},
		"got somebody else's":  {[]sent{direct}, history{user: "ben", complete: true, received: get(2)}, "stray"},
		"direct, has not come": {[]sent{direct}, history{user: "cleo", complete: true}, "lost"},
	} {
		test.h.user = max(test.h.user, "ben")
		faults := audit(test.sent, test.h)
		if test.want == "" && len(faults) > 0 {
			t.Errorf("%s: %v", name, faults)
		}
		if test.want != "" && (len(faults) == 0 || faults[0].what != test.want) {
			t.Errorf("%s: %v, not %s", name, faults, test.want)
		}
	}
}
