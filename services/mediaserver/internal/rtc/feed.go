package rtc

import (
	"time"

	"github.com/pion/rtp"
)

// FeedConfig says what feeds a [Source].
type FeedConfig struct {
	Codec        Codec
	AudioLevelID uint8 // id of the audio level extension (RFC 6464) in the packets; 0: none

	// RequestKeyframe asks the sender for a keyframe, nil: it cannot be asked. Called on a goroutine of its own.
	RequestKeyframe func()
	// Lost asks the sender for packets to come again, by their RTP sequence numbers, nil: it cannot be asked. Called by
	// Write; the list is the callee's to keep.
	Lost func(sequences []uint16)
}

// Feed is one RTP stream that feeds a source: a track of a peer connection, an RTP socket, a file. Its packets are
// written by one goroutine at a time. A stream that goes on under another SSRC continues its numbers and time.
type Feed struct {
	source *Source
	cfg    FeedConfig

	in  rtp.Packet // scratch space of Write
	out rtp.Header

	started bool // a packet has come; guarded by the source's mu

	losses losses // of video; owned by who writes
	wanted []uint64
}

// OpenFeed begins to feed the source. A newer feed takes the place of an older one, whose packets are dropped from then
// on. The feed ends with [Feed.Close] or with the source.
func (s *Source) OpenFeed(cfg FeedConfig) *Feed {
	f := &Feed{source: s, cfg: cfg}
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.feed, s.synced = f, nil
	}
	s.mu.Unlock()
	if closed {
		return f
	}
	s.setCodec(cfg.Codec)
	if len(*s.sinks.Load()) > 0 {
		s.RequestKeyframe()
	}
	return f
}

// Write passes one RTP packet on, header and all, that came at at. It keeps nothing of the slice. It reports false when
// the feed does not feed its source any more; a packet that is none is dropped.
func (f *Feed) Write(packet []byte, at time.Time) bool {
	if f.in.Unmarshal(packet) != nil {
		return true
	}
	return f.source.forward(f, &f.in, &f.out, len(packet), at)
}

// Report passes on what a sender report (RFC 3550 section 6.4.1) says: that timestamp, in the numbers of the feed,
// stands for the time of day ntp. Receivers keep audio and video in step by it.
func (f *Feed) Report(ntp uint64, timestamp uint32) {
	s := f.source
	s.mu.Lock()
	known := s.feed == f && f.started
	point := syncPoint{ntp, timestamp + s.line.timeOffset}
	if known {
		s.synced = append(s.synced[max(0, len(s.synced)-1):], point)
	}
	s.mu.Unlock()
	if !known || s.paused.Load() {
		return
	}
	for _, sink := range *s.sinks.Load() {
		sink.report(s, point)
	}
}

// Close ends the feed; the source goes on with the next one.
func (f *Feed) Close() {
	s := f.source
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.feed == f {
		s.feed = nil
	}
}
