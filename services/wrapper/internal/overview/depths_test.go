package overview

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
)

// counting is a broker with one message in every queue of a session, and counts who asks.
type counting struct {
	asked int
	away  bool
}

func (c *counting) Inspect(_ context.Context, queue string) (broker.Info, error) {
	c.asked++
	switch {
	case c.away:
		return broker.Info{}, broker.ErrUnavailable
	case queue == message.WrapperQueue, queue == broker.DeadLetterQueue:
		return broker.Info{}, broker.ErrNotFound
	default:
		return broker.Info{Messages: 1}, nil
	}
}

func TestDepths_LooksAtSessionsByTurns(t *testing.T) {
	sessions := make([]control.SessionID, 2*sessionsPerLook+1)
	for i := range sessions {
		sessions[i] = control.SessionID(fmt.Sprint(i))
	}
	queues := &counting{}
	d := depths{queues: queues, sessions: func() []control.SessionID { return sessions }}
	for i, want := range []int{sessionsPerLook, 2 * sessionsPerLook, 2*sessionsPerLook + 1} {
		queues.asked = 0
		if got := d.look(t.Context())[queueSessions]; got != want {
			t.Errorf("look %d: %d messages, want %d", i, got, want)
		}
		if queues.asked > sessionsPerLook+2 {
			t.Errorf("look %d asked %d times", i, queues.asked)
		}
	}
	sessions = sessions[:1] // the others have ended
	if got := d.look(t.Context())[queueSessions]; got != 1 {
		t.Errorf("%d messages of a session", got)
	}
}

// What cannot be looked at is not told of, and a look ends with its time.
func TestDepths_BrokerAway(t *testing.T) {
	d := depths{queues: &counting{away: true}, sessions: func() []control.SessionID { return []control.SessionID{"s"} }}
	seen := d.look(t.Context())
	if _, told := seen[queueDead]; told || seen[queueSessions] != 0 {
		t.Errorf("saw %v", seen)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d = depths{queues: &counting{}, sessions: func() []control.SessionID { return []control.SessionID{"s"} }}
	if d.look(ctx); !errors.Is(ctx.Err(), context.Canceled) || len(d.turn) != 1 {
		t.Errorf("looked on: %v are left", d.turn)
	}
}
