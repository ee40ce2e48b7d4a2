package main

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/orkestro/orkestro/tests/harness"
)

// outcome is what a client knows of a request.
type outcome string

const (
	acknowledged outcome = "acknowledged"
	refused      outcome = "refused"
	unknown      outcome = "unknown" // no answer: it may have been done
)

// outcomeOf is the outcome of a request that ended with this status and error.
func outcomeOf(status int, err error) outcome {
	switch {
	case err == nil:
		return acknowledged
	case status == 0 || status >= 500:
		return unknown
	default:
		return refused
	}
}

// sent is one application message: number n of its sender.
type sent struct {
	from, to string // to "": everybody
	n        int
	began    time.Time
	ended    time.Time
	outcome  outcome
	id       string // that the answer named
}

// received is one application message as it arrived.
type received struct {
	from string
	n    int
	id   string
	at   time.Time
}

// history is what one presence of a user has received, in order.
type history struct {
	session, user string
	since         time.Time // when its join was answered
	complete      bool      // everything that was acknowledged has had the time to arrive
	received      []received
}

// ledger is what was sent and received in one session. Safe for concurrent use.
type ledger struct {
	mu   sync.Mutex
	sent []sent
}

// begin enters a message that is about to be sent; its place is for end.
func (l *ledger) begin(s sent) (place int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.outcome = unknown
	l.sent = append(l.sent, s)
	return len(l.sent) - 1
}

// end enters how it ended.
func (l *ledger) end(place int, s sent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent[place] = s
}

func (l *ledger) all() []sent {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]sent(nil), l.sent...)
}

// fault is one broken promise.
type fault struct {
	what   string // "lost", "twice", "order", "id", "never sent", "refused"
	detail string
}

// String says it in one line.
func (f fault) String() string { return f.what + ": " + f.detail }

type number struct {
	from string
	n    int
}

// audit checks a history against what was sent in its session: what was acknowledged arrived, once, under the id that
// was answered, in the order of its sender.
func audit(all []sent, h history) []fault {
	var faults []fault
	report := func(what, format string, args ...any) {
		detail := fmt.Sprintf("session %s, receiver %s: ", h.session, h.user) + fmt.Sprintf(format, args...)
		faults = append(faults, fault{what, detail})
	}
	got := map[number]received{}
	last := map[string]int{}
	for _, r := range h.received {
		key := number{r.from, r.n}
		if first, found := got[key]; found {
			report("twice", "message %d of %s came as %s and, at %s, as %s", r.n, r.from, first.id, clock(r.at), r.id)
			continue
		}
		got[key] = r
		if before, found := last[r.from]; found && before > r.n {
			report("order", "message %d of %s came after %d (%s, at %s)", r.n, r.from, before, r.id, clock(r.at))
		}
		last[r.from] = max(last[r.from], r.n)
	}
	for _, s := range all {
		r, arrived := got[number{s.from, s.n}]
		delete(got, number{s.from, s.n})
		mine := s.to == "" || s.to == h.user
		newest, heard := last[s.from]
		due := mine && s.outcome == acknowledged && s.began.After(h.since) && (h.complete || heard && s.n < newest)
		switch {
		case arrived && !mine:
			report("stray", "message %d of %s is for %s (%s)", s.n, s.from, s.to, r.id)
		case arrived && s.outcome == refused:
			report("refused", "message %d of %s was refused at %s and came as %s", s.n, s.from, clock(s.ended), r.id)
		case arrived && s.outcome == acknowledged && s.id != r.id:
			report("id", "message %d of %s was acknowledged as %s and came as %s", s.n, s.from, s.id, r.id)
		case !arrived && due:
			report("lost", "message %d of %s, acknowledged as %s between %s and %s", s.n, s.from, s.id, clock(s.began), clock(s.ended))
		}
	}
	for _, r := range got {
		report("never sent", "message %d of %s (%s)", r.n, r.from, r.id)
	}
	return faults
}

// talk is the data of the application messages.
type talk struct {
	N int `json:"n"`
}

// readTalk takes the application messages out of what a user has received.
func readTalk(messages []harness.Message) []received {
	var all []received
	for _, m := range messages {
		var body struct {
			Data talk `json:"data"`
		}
		if m.Type == "message" && json.Unmarshal(m.Data, &body) == nil {
			all = append(all, received{from: m.From, n: body.Data.N, id: m.ID, at: m.Time})
		}
	}
	return all
}

// clock writes a time as the logs of the fleet do.
func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }
