package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	// readyTimeout: chosen; a fleet in one process takes about a second, on a busy machine a few.
	readyTimeout = 60 * time.Second
	readyStep    = 20 * time.Millisecond
)

// errEnded is why the fleet stops when one of its services has ended by itself without an error.
var errEnded = errors.New("it ended by itself")

// member is one service process in a fleet, here a goroutine.
type member struct {
	name string
	// run is the service's app.Run; it tells the address it serves its health checks on.
	run func(ctx context.Context, listening func(address string)) error
}

// layer is services that start and stop together. Layers stop in reverse order of the flow of data, so the context of a
// layer does not end with that of the fleet.
type layer struct {
	addresses []string // in the order of the members
	cancel    context.CancelFunc
	running   sync.WaitGroup
}

// startLayer starts all members and waits until they are ready. One that ends before the layer is stopped is reported
// to failed. The layer is to be stopped also when starting it failed.
func startLayer(ctx context.Context, failed context.CancelCauseFunc, members ...member) (*layer, error) {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &layer{addresses: make([]string, len(members)), cancel: cancel}
	listening := make(chan struct{}, len(members)) // each member is up once
	for i, m := range members {
		var once sync.Once
		up := func(address string) {
			once.Do(func() {
				l.addresses[i] = address
				listening <- struct{}{}
			})
		}
		l.running.Go(func() {
			err := m.run(running, up)
			if running.Err() != nil {
				return
			}
			if err == nil {
				err = errEnded
			}
			failed(fmt.Errorf("%s: %w", m.name, err))
		})
	}
	ctx, stop := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("not ready within %s", readyTimeout))
	defer stop()
	for range members {
		select {
		case <-listening:
		case <-ctx.Done():
			return l, context.Cause(ctx)
		}
	}
	for i, m := range members {
		if err := waitReady(ctx, l.addresses[i]); err != nil {
			return l, fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return l, nil
}

// stop ends the members and waits for them.
func (l *layer) stop() {
	l.cancel()
	l.running.Wait()
}

// waitReady asks /readyz until it says yes.
func waitReady(ctx context.Context, address string) error {
	ticker := time.NewTicker(readyStep)
	defer ticker.Stop()
	for !ready(ctx, address) {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func ready(ctx context.Context, address string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}
