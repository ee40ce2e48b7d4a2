//go:build linux

package main

import (
	"context"
	"fmt"
	"time"
)

const (
	idleEndpoints = 4 // of a pipeline
	idleSettling  = 10 * time.Second
)

// measureIdle prints the memory of a media server with pipelines whose endpoints are connected to nobody.
func measureIdle(ctx context.Context, program string, pipelines int) error {
	s := &subject{candidate: candidates()[0]}
	defer s.stop()
	if err := s.serve(ctx, program); err != nil {
		return err
	}
	k, err := dialKurento(ctx, s.address, room{})
	if err != nil {
		return err
	}
	before, err := s.rss()
	if err != nil {
		return err
	}
	for range pipelines {
		if k.Pipeline, err = k.pipeline(ctx); err != nil {
			return err
		}
		for range idleEndpoints {
			if _, err := k.endpoint(ctx); err != nil {
				return err
			}
		}
	}
	after, err := s.rss()
	if err != nil {
		return err
	}
	timer := time.NewTimer(idleSettling)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	}
	settled, err := s.rss()
	if err != nil {
		return err
	}
	fmt.Printf("idle: %d pipelines of %d unconnected endpoints: RSS %.0f MiB, %.0f MiB %v later; %.0f MiB without\n",
		pipelines, idleEndpoints, mebibytes(after), mebibytes(settled), idleSettling, mebibytes(before))
	return nil
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }
