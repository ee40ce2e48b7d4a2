package main

import (
	"context"
	"fmt"
	"time"
)

// measureFirstMedia: from the join requests of a publisher and a subscriber to the first media packet at the subscriber.
func measureFirstMedia(ctx context.Context, b *bench) error {
	for _, atOnce := range []int{1, 20} {
		n := max(40, 3*atOnce) * b.scale
		before := b.cpu()
		took, all, err := repeat(ctx, n, atOnce, func(ctx context.Context, _ int) (time.Duration, error) {
			session, err := b.fleet.API.CreateSession(ctx, "")
			if err != nil {
				return 0, err
			}
			began := time.Now()
			p := startPair(ctx, b.fleet.API, session)
			at, err := p.wait(ctx)
			if closed := p.close(ctx); err == nil {
				err = closed
			}
			return at.Sub(began), err
		})
		if err != nil {
			return err
		}
		b.row(fmt.Sprintf("two join until first media, %d pairs at once", atOnce), "%s", took.quantiles())
		b.row("  joins with media a second", "%.0f/s", perSecond(2*n, all))
		b.row("  CPU a join", "%s", b.cpu().since(before, 2*n))
	}
	return nil
}
