package amqp

import (
	"context"
	"fmt"
	"sync"

	"github.com/orkestro/orkestro/pkg/broker"
)

// await runs a blocking call of the library, which knows no contexts, and stops waiting for it when ctx ends or after
// callTimeout. A call that succeeds after that is undone with discard. group counts the calls that still run; each ends
// at the latest when its connection does.
func await[T any](ctx context.Context, group *sync.WaitGroup, call func() (T, error), discard func(T)) (T, error) {
	bounded, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	type outcome struct {
		value T
		err   error
	}
	outcomes := make(chan outcome) // unbuffered: exactly one side sees that nobody waits any more
	group.Go(func() {
		value, err := call()
		select {
		case outcomes <- outcome{value, err}:
		case <-bounded.Done():
			if err == nil {
				discard(value)
			}
		}
	})
	select {
	case o := <-outcomes:
		return o.value, translate(o.err)
	case <-bounded.Done():
		var none T
		if err := ctx.Err(); err != nil {
			return none, err
		}
		return none, fmt.Errorf("%w: no answer in %s", broker.ErrUnavailable, callTimeout)
	}
}
