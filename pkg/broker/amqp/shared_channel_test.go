package amqp_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/broker"
)

// TestBroker_SubscriptionsComeAndGoOnOneChannel starts and ends many at once, as sessions do. Their consumers share a
// channel, on which a call takes whatever reply comes: when two were made at once, a consumer was never ended.
func TestBroker_SubscriptionsComeAndGoOnOneChannel(t *testing.T) {
	const workers, rounds = 16, 20
	b := connected(t)
	queue := declare(t, b)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for range rounds {
				if err := comeAndGo(t.Context(), b, queue); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	if info, err := b.Inspect(t.Context(), queue); err != nil || info.Consumers != 0 {
		t.Errorf("%d consumers are left, error %v", info.Consumers, err)
	}
}

func comeAndGo(ctx context.Context, b broker.Broker, queue string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	s, err := b.Subscribe(ctx, queue, broker.SubscribeOptions{Concurrency: 1, MaxAttempts: 1},
		func(context.Context, broker.Delivery) error { return nil })
	if err != nil {
		return err
	}
	return s.Close(ctx)
}
