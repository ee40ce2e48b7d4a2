package rtc

import (
	"context"
	"sync"
	"time"
)

const (
	decisionPeriod = 250 * time.Millisecond // chosen: a path that narrows fills its queue for at least this long
	probePeriod    = 10 * time.Millisecond  // chosen: between the packets of a probe
)

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
	timer := time.NewTimer(decisionPeriod)
	defer timer.Stop()
	var decided time.Time
	var all, probing []*shaper
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		now := time.Now()
		if now.Sub(decided) >= decisionPeriod {
			decided = now
			all = s.list(all[:0])
			for _, one := range all {
				one.decide(now)
			}
			probing = append(probing[:0], all...)
		}
		probing = stillProbing(probing, now)
		if len(probing) > 0 {
			timer.Reset(probePeriod)
		} else {
			timer.Reset(time.Until(decided.Add(decisionPeriod)))
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

func stillProbing(list []*shaper, now time.Time) []*shaper {
	kept := list[:0]
	for _, one := range list {
		if one.probe(now) {
			kept = append(kept, one)
		}
	}
	clear(list[len(kept):])
	return kept
}

func (s *shapers) stop() {
	s.cancel()
	<-s.done
}
