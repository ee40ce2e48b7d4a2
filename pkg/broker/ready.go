package broker

import (
	"context"
	"fmt"
	"time"
)

// readyStep is how often [AwaitReady] looks.
const readyStep = 20 * time.Millisecond

// AwaitReady waits until b can be used, for tools that have nothing to do before. The error says what is wrong with it
// when ctx ends.
func AwaitReady(ctx context.Context, b Broker) error {
	ticker := time.NewTicker(readyStep)
	defer ticker.Stop()
	for {
		err := b.Ready()
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("connect to the broker: %w", err)
		}
	}
}
