package engine

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"

	"github.com/orkestro/orkestro/pkg/logging"
)

// expireBatch bounds how many documents go in one write, so that other writers get their turn.
const expireBatch = 500

// expireLoop removes what TTL indexes say is past its time.
func (e *Engine) expireLoop(ctx context.Context, period time.Duration) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			for e.anyExpired(now) && ctx.Err() == nil {
				if err := e.expire(ctx, now); err != nil {
					e.log.Warn("expired documents stay for now", logging.KeyError, err)
					break
				}
			}
		}
	}
}

func (e *Engine) anyExpired(now time.Time) bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, c := range e.collections {
		if len(c.expired(now, 1)) > 0 {
			return true
		}
	}
	return false
}

func (e *Engine) expire(ctx context.Context, now time.Time) error {
	_, err := e.Write(ctx, nil, func(tx *Tx) (bson.D, error) {
		for ns, c := range e.collections {
			for _, r := range c.expired(now, expireBatch) {
				if err := tx.Delete(ns, Found{r}); err != nil {
					return nil, err
				}
			}
		}
		return nil, nil
	})
	return err
}

// expired is up to limit documents past their time. Needs the engine's mutex.
func (c *collection) expired(now time.Time, limit int) []*record {
	var gone []*record
	seen := map[uint64]bool{}
	for _, x := range c.indexes {
		if x.spec.ExpireSeconds == nil || len(x.columns) != 1 || x.columns[0].Reverse {
			continue
		}
		latest := now.Add(-time.Duration(*x.spec.ExpireSeconds) * time.Second)
		s := scan{index: x, low: primitive.DateTime(-1 << 63), high: primitive.NewDateTimeFromTime(latest)}
		s.run(func(r *record) bool {
			if !seen[r.seq] {
				seen[r.seq] = true
				gone = append(gone, r)
			}
			return len(gone) < limit
		})
	}
	return gone
}
