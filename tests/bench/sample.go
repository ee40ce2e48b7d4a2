package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// sample is a set of durations.
type sample []time.Duration

// quantiles prints p50, p95, p99 and the largest, in milliseconds.
func (s sample) quantiles() string {
	slices.Sort(s)
	at := func(q float64) float64 { return float64(s[int(float64(len(s)-1)*q)].Microseconds()) / 1000 }
	return fmt.Sprintf("p50 %.1f ms  p95 %.1f ms  p99 %.1f ms  max %.1f ms  (n=%d)",
		at(0.5), at(0.95), at(0.99), at(1), len(s))
}

// repeat calls f n times, with atOnce of them running at any moment, and gives how long each took and how long all did.
// It ends early with the first error.
func repeat(
	ctx context.Context, n, atOnce int, f func(ctx context.Context, i int) (time.Duration, error),
) (sample, time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	var errs []error
	took := make(sample, 0, n)
	next := 0
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1, next <= n && len(errs) == 0 && ctx.Err() == nil
	}
	began := time.Now()
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for i, more := take(); more; i, more = take() {
				d, err := f(ctx, i)
				mu.Lock()
				if err != nil {
					errs = append(errs, err)
				}
				took = append(took, d)
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	return took, time.Since(began), errors.Join(append(errs, ctx.Err())...)
}

// timed measures one call.
func timed(f func() error) (time.Duration, error) {
	began := time.Now()
	err := f()
	return time.Since(began), err
}

// perSecond is a rate.
func perSecond(n int, in time.Duration) float64 { return float64(n) / in.Seconds() }
