package playback

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxLate is how far the player may be behind before it gives up catching up: chosen.
	maxLate = time.Second
	// reportPeriod is how often receivers are told what keeps the tracks in step (RFC 3550 section 6.2 has 5 s).
	reportPeriod = 5 * time.Second
)

// Feed takes the packets of one track; an rtc.Feed is one.
type Feed interface {
	// Write takes one RTP packet, header and all. False says that it was the last one.
	Write(packet []byte, at time.Time) bool
	// Report says what time of day a timestamp stands for, in the format of NTP.
	Report(ntp uint64, timestamp uint32)
}

// Player sends a file at the speed at which it is to be seen. A goroutine does so, which ends with [Player.Stop] or the
// file. Safe for concurrent use.
type Player struct {
	media    *Media
	ended    func(error)
	commands chan func()
	stop     func() // may be called again
	stopping chan struct{}
	done     chan struct{}
	position atomic.Int64

	// Owned by the goroutine.
	feeds  []*feeding
	paused bool
	origin time.Time // when the time 0 of the file would have been first
	start  time.Time // when it is, or was: later after a pause
	next   *Sample
	fresh  bool // the next sample sets start
}

// feeding is one track on its way out.
type feeding struct {
	*packetizer
	feed     Feed
	waiting  bool // for a keyframe
	reported time.Time
}

// Play begins to send media, which the player closes, to one feed a track; nil leaves a track out. ended is told, by
// the player's goroutine, when nothing more comes by itself: nil at the end of the file. It must not call the player.
func Play(media *Media, feeds []Feed, ended func(error)) *Player {
	p := &Player{
		media: media, ended: ended, commands: make(chan func()), fresh: true,
		stopping: make(chan struct{}), done: make(chan struct{}),
	}
	p.stop = sync.OnceFunc(func() { close(p.stopping) })
	for i, t := range media.Tracks() {
		p.feeds = append(p.feeds, &feeding{packetizer: newPacketizer(t), feed: feeds[i], waiting: t.Video()})
	}
	go p.run()
	return p
}

// Position is the time in the file of what was sent last.
func (p *Player) Position() time.Duration { return time.Duration(p.position.Load()) }

// Pause stops sending until Resume.
func (p *Player) Pause() {
	p.do(func() { p.paused = true })
}

// Resume goes on where Pause stopped; without a pause nothing changes.
func (p *Player) Resume() {
	p.do(func() {
		p.fresh = p.fresh || p.paused
		p.paused = false
	})
}

// Seek goes to another place. Errors are [ErrSeek], also when the player has ended.
func (p *Player) Seek(to time.Duration) error {
	err := ErrSeek
	p.do(func() {
		if err = p.media.Seek(to); err != nil {
			return
		}
		p.next, p.fresh = nil, true
		p.position.Store(int64(to))
		for _, f := range p.feeds {
			f.waiting = f.track.Video()
		}
	})
	return err
}

// Stop ends the player and returns when the file is closed. It may be called again.
func (p *Player) Stop() {
	p.stop()
	<-p.done
}

// do has the goroutine do something and waits for it.
func (p *Player) do(what func()) {
	finished := make(chan struct{})
	select {
	case p.commands <- func() { defer close(finished); what() }:
		<-finished
	case <-p.done:
	}
}

func (p *Player) run() {
	defer close(p.done)
	err := p.play()
	err = errors.Join(err, p.media.Close())
	select {
	case <-p.stopping:
	default:
		p.ended(err)
	}
}

// play returns at the end of the file, at an error in it, or when the player is stopped.
func (p *Player) play() error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var due <-chan time.Time
		if !p.paused {
			wait, err := p.wait()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			timer.Reset(wait)
			due = timer.C
		}
		select {
		case <-p.stopping:
			return nil
		case command := <-p.commands:
			command()
		case <-due:
			if !p.send(*p.next) {
				return nil
			}
			p.next = nil
		}
	}
}

// wait reads the next sample, unless it is there, and says how long it has until its time.
func (p *Player) wait() (time.Duration, error) {
	if p.next == nil {
		s, err := p.media.Next()
		if err != nil {
			return 0, err
		}
		p.next = &s
	}
	now := time.Now()
	if p.fresh {
		p.fresh = false
		p.begin(p.next.Time, now)
	}
	late := now.Sub(p.start.Add(p.next.Time))
	if late > maxLate {
		p.start = p.start.Add(late)
	}
	return max(-late, 0), nil
}

// begin has the sample of a time be sent now. What receivers see follows the time of day: a pause is one to them.
func (p *Player) begin(t time.Duration, now time.Time) {
	p.start = now.Add(-t)
	if p.origin.IsZero() {
		p.origin = p.start
	}
}

// send reports false when nobody takes what is sent any more.
func (p *Player) send(s Sample) bool {
	p.position.Store(int64(s.Time))
	f := p.feeds[s.Track]
	if f.feed == nil || f.waiting && !s.Keyframe {
		return true
	}
	f.waiting = false
	now := time.Now()
	taken := true
	at := s.Time + p.start.Sub(p.origin)
	f.packets(s, at, func(packet []byte) { taken = f.feed.Write(packet, now) && taken })
	if taken && now.Sub(f.reported) >= reportPeriod {
		f.reported = now
		f.feed.Report(ntp(p.origin.Add(at)), f.timestamp(at))
	}
	return taken
}

// ntp is a time of day in the format of sender reports (RFC 3550 section 4).
func ntp(t time.Time) uint64 {
	const epoch = 2208988800 // seconds from 1900 to 1970
	return uint64(t.Unix()+epoch)<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}
