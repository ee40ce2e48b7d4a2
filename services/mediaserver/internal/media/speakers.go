package media

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/mediaserver/internal/speaker"
)

// speakers tells who speaks in the pipelines of sessions. One goroutine looks at all of them; nothing of it is done for
// each packet.
type speakers struct {
	cancel context.CancelFunc
	done   chan struct{}

	changes atomic.Uint64

	mu        sync.Mutex
	pipelines map[*Pipeline]*listening
}

// listening is what is known of one pipeline. Owned by the goroutine of [speakers].
type listening struct {
	detector speaker.Detector
	number   int64 // of the last event
}

func startSpeakers() *speakers {
	ctx, cancel := context.WithCancel(context.Background())
	s := &speakers{cancel: cancel, done: make(chan struct{}), pipelines: map[*Pipeline]*listening{}}
	go s.run(ctx)
	return s
}

func (s *speakers) run(ctx context.Context) {
	defer close(s.done)
	ticker := time.NewTicker(speaker.Period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			for p, l := range s.listenedTo() {
				if l.look(p, now) {
					s.changes.Add(1)
				}
			}
		}
	}
}

func (s *speakers) listenedTo() map[*Pipeline]*listening {
	s.mu.Lock()
	defer s.mu.Unlock()
	pipelines := make(map[*Pipeline]*listening, len(s.pipelines))
	for p, l := range s.pipelines {
		pipelines[p] = l
	}
	return pipelines
}

// listen begins with a pipeline.
func (s *speakers) listen(p *Pipeline) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pipelines[p] = &listening{}
}

func (s *speakers) forget(p *Pipeline) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pipelines, p)
}

func (s *speakers) stop() {
	s.cancel()
	<-s.done
}

// look tells who speaks if that has changed.
func (l *listening) look(p *Pipeline, now time.Time) (changed bool) {
	speaking, changed := l.detector.Look(p.streams.heard(), now)
	if !changed {
		return false
	}
	l.number = max(l.number+1, now.UnixMilli())
	p.server.emit(p, EventSpeakersChanged, SpeakersChanged{Number: l.number, Streams: speaking})
	return true
}

// heard is what was heard of every stream with audio since this was last asked.
func (b *streamBoard) heard() []speaker.Heard {
	b.mu.Lock()
	defer b.mu.Unlock()
	var heard []speaker.Heard
	seen := map[control.StreamID]bool{}
	for _, p := range b.publishers {
		for _, s := range p.streams {
			if h, hasAudio := s.heard(); hasAudio && !seen[s.id] {
				seen[s.id] = true // it is there twice while its user rejoins
				heard = append(heard, h)
			}
		}
	}
	return heard
}

func (s *stream) heard() (h speaker.Heard, hasAudio bool) {
	h.Stream = s.id
	for _, track := range s.tracks {
		if track.Kind() != control.KindAudio {
			continue
		}
		hasAudio = true
		l := track.TakeLoudness()
		h.Packets, h.Loud, h.Level = h.Packets+l.Packets, h.Loud+l.Loud, max(h.Level, l.Level)
	}
	return h, hasAudio
}
