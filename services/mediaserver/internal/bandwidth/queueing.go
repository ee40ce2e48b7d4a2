package bandwidth

import "time"

const (
	queueMemory = 10 * time.Second      // in which some packet has met an empty queue: chosen
	calmQueue   = 40 * time.Millisecond // up to here nothing waits but what always varies: chosen
	fullQueue   = 70 * time.Millisecond
)

// queueing is how long packets wait on the way: the delay of the latest above the least of late. The trend of the delay
// tells more surely that a queue builds up, but later, and that one is still there it does not tell at all.
type queueing struct {
	started bool
	least   time.Duration // since turned
	before  time.Duration // in the time before that
	turned  time.Duration // by the client's clock
	latest  time.Duration
}

// add takes the delay of a packet, from any origin, and when it arrived.
func (q *queueing) add(delay, arrived time.Duration) {
	if since := arrived - q.turned; !q.started || since > clockJump+queueMemory || since < -clockJump {
		*q = queueing{started: true, least: delay, before: delay, turned: arrived}
	} else if since > queueMemory/2 {
		q.before, q.least, q.turned = q.least, delay, arrived
	}
	q.least = min(q.least, delay)
	q.latest = delay
}

func (q *queueing) wait() time.Duration { return q.latest - min(q.least, q.before) }
