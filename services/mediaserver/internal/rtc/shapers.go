package rtc

import (
	"context"
	"sync"
	"time"
)

// decisionPeriod is chosen: a path that narrows fills its queue for at least this long.
const decisionPeriod = 250 * time.Millisecond

// shapers has every shaper decide, on one goroutine for all of them.
type shapers struct {
	numbers transportNumbers
	cancel  context.CancelFunc
	done    chan struct{}

	mu  sync.Mutex
	set map[*shaper]struct{}
}

func startShapers() *shapers {
	ctx, cancel := context.WithCancel(context.Background())
	s := &shapers{
		numbers: newTransportNumbers(), cancel: cancel, done: make(chan struct{}), set: map[*shaper]struct{}{},
	}
	go s.run(ctx)
	return s
}

func (s *shapers) add(changed func(Quality)) *shaper {
	one := &shaper{numbers: s.numbers, changed: changed}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set[one] = struct{}{}
	return one
}

func (s *shapers) remove(one *shaper) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.set, one)
}

func (s *shapers) run(ctx context.Context) {
	defer close(s.done)
	ticker := time.NewTicker(decisionPeriod)
	defer ticker.Stop()
	var all []*shaper
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			all = s.list(all[:0])
			for _, one := range all {
				one.decide(now)
			}
			clear(all)
		}
	}
}

func (s *shapers) list(list []*shaper) []*shaper {
	s.mu.Lock()
	defer s.mu.Unlock()
	for one := range s.set {
		list = append(list, one)
	}
	return list
}

func (s *shapers) stop() {
	s.cancel()
	<-s.done
}
