package rtc

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pion/webrtc/v4"
)

// DataSource is the data part of one published stream: the data channels that its publisher opens. Each is mirrored to
// every [DataLink]. Safe for concurrent use.
type DataSource struct {
	paused atomic.Bool

	mu       sync.Mutex
	closed   bool
	channels map[*webrtc.DataChannel]*incoming
	links    map[*DataLink]struct{}
}

// incoming is one channel of the publisher.
type incoming struct{ mirrors map[*DataLink]*Mirror }

// DataLink is one receiver of a [DataSource].
type DataLink struct {
	source  *DataSource
	changed func()
}

// maxChannels bounds what one publisher can have everybody else open: chosen.
const maxChannels = 64

// NewDataSource makes a source without channels.
func NewDataSource() *DataSource {
	return &DataSource{channels: map[*webrtc.DataChannel]*incoming{}, links: map[*DataLink]struct{}{}}
}

// SetPaused stops or resumes forwarding; what is sent meanwhile is dropped.
func (s *DataSource) SetPaused(paused bool) { s.paused.Store(paused) }

// Connect adds a receiver. changed is called, without waiting for it to do anything, when its mirrors are others.
func (s *DataSource) Connect(changed func()) *DataLink {
	link := &DataLink{source: s, changed: changed}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.links[link] = struct{}{}
	for channel, in := range s.channels {
		in.mirrors[link] = newMirror(channel)
	}
	return link
}

// Mirrors are the channels that the receiver is to open, oldest first.
func (l *DataLink) Mirrors() []*Mirror {
	l.source.mu.Lock()
	defer l.source.mu.Unlock()
	var mirrors []*Mirror
	for _, in := range l.source.channels {
		if m := in.mirrors[l]; m != nil {
			mirrors = append(mirrors, m)
		}
	}
	slices.SortFunc(mirrors, func(a, b *Mirror) int { return a.created.Compare(b.created) })
	return mirrors
}

// Close ends the link.
func (l *DataLink) Close() {
	l.source.mu.Lock()
	defer l.source.mu.Unlock()
	delete(l.source.links, l)
	for _, in := range l.source.channels {
		delete(in.mirrors, l)
	}
}

// Close drops every channel. Their connection is closed by its owner.
func (s *DataSource) Close() {
	s.mu.Lock()
	s.closed = true
	clear(s.channels)
	links := s.linksLocked()
	s.mu.Unlock()
	for _, link := range links {
		link.changed()
	}
}

// linksLocked needs s.mu.
func (s *DataSource) linksLocked() []*DataLink {
	links := make([]*DataLink, 0, len(s.links))
	for link := range s.links {
		links = append(links, link)
	}
	return links
}

// accept takes a channel that the publisher opened.
func (s *DataSource) accept(channel *webrtc.DataChannel) {
	s.mu.Lock()
	if s.closed || len(s.channels) >= maxChannels {
		s.mu.Unlock()
		return
	}
	in := &incoming{mirrors: map[*DataLink]*Mirror{}}
	for link := range s.links {
		in.mirrors[link] = newMirror(channel)
	}
	s.channels[channel] = in
	links := s.linksLocked()
	s.mu.Unlock()
	channel.OnMessage(func(m webrtc.DataChannelMessage) { s.deliver(channel, m) })
	channel.OnClose(func() { s.drop(channel) })
	for _, link := range links {
		link.changed()
	}
}

func (s *DataSource) drop(channel *webrtc.DataChannel) {
	s.mu.Lock()
	delete(s.channels, channel)
	links := s.linksLocked()
	s.mu.Unlock()
	for _, link := range links {
		link.changed()
	}
}

func (s *DataSource) deliver(channel *webrtc.DataChannel, m webrtc.DataChannelMessage) {
	if s.paused.Load() {
		return
	}
	s.mu.Lock()
	var mirrors []*Mirror
	if in := s.channels[channel]; in != nil {
		for _, mirror := range in.mirrors {
			mirrors = append(mirrors, mirror)
		}
	}
	s.mu.Unlock()
	for _, mirror := range mirrors {
		mirror.send(m)
	}
}
