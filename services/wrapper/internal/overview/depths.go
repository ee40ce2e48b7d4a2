package overview

import (
	"context"
	"errors"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
)

const (
	// sessionsPerLook bounds how many queues of sessions are looked at in one go. Chosen: all of a thousand within a
	// minute, at a cost that a broker does not notice.
	sessionsPerLook = 200
	// depthsTimeout bounds looking at queues: what is not reached then is looked at the next time.
	depthsTimeout = 3 * time.Second
)

// The queues that are told apart.
const (
	queueWrapper  = "wrapper"
	queueSessions = "sessions"
	queueDead     = "dead"
)

// depths counts the messages that wait in queues. Those of sessions are looked at by turns; of each the last number
// counts until its turn comes again.
type depths struct {
	queues   Queues
	sessions func() []control.SessionID

	turn []control.SessionID       // those that are still to be looked at
	last map[control.SessionID]int // of those that were, where anything waits
}

// look is the messages by queue; one that could not be looked at is left out.
func (d *depths) look(ctx context.Context) map[string]int {
	ctx, cancel := context.WithTimeout(ctx, depthsTimeout)
	defer cancel()
	seen := map[string]int{}
	for kind, name := range map[string]string{queueWrapper: message.WrapperQueue, queueDead: broker.DeadLetterQueue} {
		if n, err := d.inspect(ctx, name); err == nil {
			seen[kind] = n
		}
	}
	seen[queueSessions] = d.lookAtSessions(ctx)
	return seen
}

func (d *depths) lookAtSessions(ctx context.Context) (sum int) {
	if len(d.turn) == 0 {
		d.begin()
	}
	for range sessionsPerLook {
		if len(d.turn) == 0 || ctx.Err() != nil {
			break
		}
		id := d.turn[0]
		d.turn = d.turn[1:]
		if n, err := d.inspect(ctx, message.SessionQueue(id).Name); err != nil || n == 0 {
			delete(d.last, id)
		} else {
			d.last[id] = n
		}
	}
	for _, n := range d.last {
		sum += n
	}
	return sum
}

// begin starts over with the sessions that there are; what was seen of others is forgotten.
func (d *depths) begin() {
	d.turn = d.sessions()
	kept := map[control.SessionID]int{}
	for _, id := range d.turn {
		if n, found := d.last[id]; found {
			kept[id] = n
		}
	}
	d.last = kept
}

// inspect is how many messages wait in a queue; one that is not there has none.
func (d *depths) inspect(ctx context.Context, name string) (int, error) {
	info, err := d.queues.Inspect(ctx, name)
	if errors.Is(err, broker.ErrNotFound) {
		return 0, nil
	}
	return info.Messages, err
}
