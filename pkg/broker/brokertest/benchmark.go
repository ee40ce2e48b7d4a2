package brokertest

import (
	"context"
	"testing"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
)

// Benchmark measures the hot paths: a confirmed Send alone and by many goroutines, and a request with its reply.
func Benchmark(b *testing.B, open Open) {
	b.Helper()
	b.Run("Send", func(b *testing.B) {
		handle, queue := open(b), benchQueue(b, open(b))
		for b.Loop() {
			if err := handle.Send(context.Background(), queue, message("{}")); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("SendParallel", func(b *testing.B) {
		handle, queue := open(b), benchQueue(b, open(b))
		b.SetParallelism(100)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := handle.Send(context.Background(), queue, message("{}")); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("RoundTrip", func(b *testing.B) { benchRoundTrip(b, open(b)) })
	b.Run("Declare", func(b *testing.B) {
		handle := open(b)
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				benchQueue(b, handle)
			}
		})
	})
}

// benchRoundTrip sends a request to a handler that replies to it.
func benchRoundTrip(b *testing.B, handle broker.Broker) {
	b.Helper()
	requests, replies := benchQueue(b, handle), benchQueue(b, handle)
	received := make(chan struct{}, 1)
	for queue, handler := range map[string]broker.Handler{
		requests: func(ctx context.Context, d broker.Delivery) error {
			reply := d.Message
			reply.Transient = true
			return handle.Send(ctx, replies, reply)
		},
		replies: func(context.Context, broker.Delivery) error {
			received <- struct{}{}
			return nil
		},
	} {
		o := broker.SubscribeOptions{Concurrency: 8, MaxAttempts: 1}
		s, err := handle.Subscribe(context.Background(), queue, o, handler)
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = s.Close(context.Background()) }()
	}
	for b.Loop() {
		if err := handle.Send(context.Background(), requests, message("{}")); err != nil {
			b.Fatal(err)
		}
		<-received
	}
}

func benchQueue(b *testing.B, handle broker.Broker) string {
	b.Helper()
	name := "bench." + control.NewID()
	if err := handle.DeclareQueue(context.Background(), broker.Queue{Name: name}); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = handle.DeleteQueue(context.Background(), name) })
	return name
}
