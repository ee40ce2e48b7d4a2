package media

import (
	"slices"
	"sync"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

// stream is what a user publishes under one msid.
type stream struct {
	id     control.StreamID
	user   control.UserID
	tracks []*rtc.Source   // audio before video
	data   *rtc.DataSource // nil: none
}

func (s *stream) kinds() []string {
	var kinds []string
	for _, track := range s.tracks {
		if !slices.Contains(kinds, track.Kind()) {
			kinds = append(kinds, track.Kind())
		}
	}
	if s.data != nil {
		kinds = append(kinds, control.KindData)
	}
	return kinds
}

// streamBoard knows what is published in one pipeline and tells those who subscribe. Safe for concurrent use.
type streamBoard struct {
	mu          sync.Mutex
	publishers  []posting // oldest first
	subscribers map[watcher]struct{}
	ended       bool // nobody is told any more
}

// watcher is an endpoint that sends what is on the board; streamsChanged has it look, and is false once it is released.
type watcher interface{ streamsChanged() bool }

type posting struct {
	owner   *PublishEndpoint
	streams []*stream
}

// publish replaces everything that owner publishes; no streams: it publishes nothing any more.
func (b *streamBoard) publish(owner *PublishEndpoint, streams []*stream) {
	b.mu.Lock()
	at := slices.IndexFunc(b.publishers, func(p posting) bool { return p.owner == owner })
	switch {
	case at < 0:
		b.publishers = append(b.publishers, posting{owner, streams})
	case len(streams) == 0:
		b.publishers = slices.Delete(b.publishers, at, at+1)
	default:
		b.publishers[at].streams = streams
	}
	b.mu.Unlock()
	b.notify()
}

// notify has every subscriber look again.
func (b *streamBoard) notify() {
	b.mu.Lock()
	subscribers := make([]watcher, 0, len(b.subscribers))
	for e := range b.subscribers {
		subscribers = append(subscribers, e)
	}
	b.mu.Unlock()
	for _, e := range subscribers {
		e.streamsChanged()
	}
}

func (b *streamBoard) subscribe(e watcher) {
	b.mu.Lock()
	if b.ended {
		b.mu.Unlock()
		return
	}
	if b.subscribers == nil {
		b.subscribers = map[watcher]struct{}{}
	}
	b.subscribers[e] = struct{}{}
	b.mu.Unlock()
	if !e.streamsChanged() {
		b.unsubscribe(e) // released meanwhile
	}
}

// end is for a pipeline that is being released: who still subscribes is not offered every departure.
func (b *streamBoard) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended, b.subscribers = true, nil
}

func (b *streamBoard) unsubscribe(e watcher) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.subscribers, e)
}

// others are the streams of everybody but user, in the order of their publishers. A stream that is there twice, because
// its user has just rejoined, is the newer one.
func (b *streamBoard) others(user control.UserID) []*stream {
	b.mu.Lock()
	defer b.mu.Unlock()
	var streams []*stream
	at := map[control.StreamID]int{}
	for _, p := range b.publishers {
		for _, s := range p.streams {
			if s.user == user {
				continue
			}
			if i, found := at[s.id]; found {
				streams[i] = s
				continue
			}
			at[s.id] = len(streams)
			streams = append(streams, s)
		}
	}
	return streams
}
