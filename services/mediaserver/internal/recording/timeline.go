package recording

import (
	"cmp"
	"errors"
	"slices"
	"time"
)

var (
	errLate         = errors.New("a track came too late to be in the file")
	errCodecChanged = errors.New("the source changed its codec, which a file cannot: the rest of the track is left out")
)

// Bounds of what waits in memory: chosen.
const (
	settleTime    = 2 * time.Second  // for a track of which nothing has come
	keyframeTime  = 10 * time.Second // for the first keyframe of a video of which something has come
	fragmentTime  = time.Second      // of a fragment: so much is lost when the process is killed
	fragmentBytes = 4 << 20
)

// The tracks of a recording.
const (
	audio = iota
	video
	tracks
)

// placed is a frame and when it was, on this machine's clock.
type placed struct {
	frame
	track int
	when  time.Time
}

// timeline decides when a recording begins, what is in it and at what time. It begins with a keyframe, and so does what
// follows a pause, which leaves no gap. Owned by the goroutine that writes.
type timeline struct {
	wanted  [tracks]bool // by the profile
	begin   func([]Track) error
	write   func([]Sample) error
	refresh func()      // asks for a keyframe
	fail    func(error) // what cannot be recorded; the rest can

	clocks  [tracks]clock
	state   state
	since   time.Time // when the first frame came while gathering, or the recording was resumed
	seen    [tracks]bool
	early   []placed // while gathering
	index   [tracks]int
	codec   [tracks]string
	origin  time.Time // of the file's times
	last    [tracks]time.Duration
	length  time.Duration // of the latest frame of the leading track
	pending []Sample
	bytes   int
}

type state int

const (
	gathering state = iota // what the tracks are is not known yet
	running
	resuming // waits for a keyframe
)

func newTimeline(p Profile) *timeline {
	l := &timeline{wanted: [tracks]bool{audio: p.Audio, video: p.Video}}
	l.clocks = [tracks]clock{audio: {rate: AudioClock}, video: {rate: VideoClock}}
	l.last = [tracks]time.Duration{-1, -1}
	return l
}

// report takes what a sender report of a track says. Pictures follow the sound, where a jump would be heard.
func (l *timeline) report(track int, timestamp uint32, wall time.Time) {
	l.clocks[track].report(timestamp, wall)
	if l.state != gathering {
		l.clocks[video].follow(&l.clocks[audio], false)
	}
}

// starving notes that packets of a track come, though no whole frame.
func (l *timeline) starving(track int, at time.Time) {
	l.seen[track] = true
	if l.since.IsZero() {
		l.since = at
	}
}

// add takes the next frame of a track.
func (l *timeline) add(f placed) error {
	l.starving(f.track, f.at)
	f.when = l.clocks[f.track].time(f.timestamp, f.at)
	switch l.state {
	case gathering:
		if !l.has(f.track) && !begins(f.frame) {
			l.refresh()
			return nil
		}
		l.early = append(l.early, f)
		if !l.complete(f.at) {
			return nil
		}
		return l.start()
	case resuming:
		if !l.resumes(f) {
			return nil
		}
		l.state = running
		l.origin = f.when.Add(-l.end())
	case running:
	}
	return l.place(f)
}

// complete says whether a recording can begin: every wanted track has come, or has been waited for long enough.
func (l *timeline) complete(now time.Time) bool {
	for track, wanted := range l.wanted {
		patience := settleTime
		if l.seen[track] {
			patience = keyframeTime
		}
		if wanted && !l.has(track) && now.Sub(l.since) < patience {
			return false
		}
	}
	return true
}

// has says whether a track has come, while gathering.
func (l *timeline) has(track int) bool {
	return slices.ContainsFunc(l.early, func(f placed) bool { return f.track == track })
}

// start begins the file with what has come so far.
func (l *timeline) start() error {
	l.state = running
	var list []Track
	for track := range l.wanted {
		l.index[track] = -1
		i := slices.IndexFunc(l.early, func(f placed) bool { return f.track == track })
		if i < 0 {
			continue
		}
		description, err := describe(l.early[i].frame)
		if err != nil {
			l.fail(err)
			continue
		}
		l.index[track], l.codec[track] = len(list), description.Codec
		list = append(list, description)
	}
	early := l.early
	l.early = nil
	l.clocks[video].follow(&l.clocks[audio], true)
	for i := range early {
		early[i].when = l.clocks[early[i].track].time(early[i].timestamp, early[i].at)
	}
	if len(list) == 0 {
		l.state = gathering
		return nil
	}
	if err := l.begin(list); err != nil {
		return err
	}
	slices.SortStableFunc(early, func(a, b placed) int { return a.when.Compare(b.when) })
	first := slices.IndexFunc(early, func(f placed) bool { return l.index[video] < 0 || f.track == video })
	l.origin = early[first].when
	for _, f := range early[first:] {
		if err := l.place(f); err != nil {
			return err
		}
	}
	return nil
}

// resumes says whether a frame is the first after a pause.
func (l *timeline) resumes(f placed) bool {
	if l.since.IsZero() {
		l.since = f.at
	}
	return l.index[video] < 0 || (f.track == video && f.keyframe) || f.at.Sub(l.since) > settleTime
}

// pause ends what is being recorded; resume goes on with it.
func (l *timeline) pause() error {
	if l.state == gathering {
		l.early, l.since, l.seen = nil, time.Time{}, [tracks]bool{}
		return nil
	}
	l.state, l.since = resuming, time.Time{}
	return l.flush()
}

// end is the time at which the next frame would be.
func (l *timeline) end() time.Duration { return max(l.last[audio], l.last[video], 0) + l.length }

func (l *timeline) place(f placed) error {
	index := l.index[f.track]
	switch {
	case index < 0:
		l.fail(errLate)
		return nil
	case f.codec != l.codec[f.track]:
		l.fail(errCodecChanged)
		return nil
	}
	t := f.when.Sub(l.origin)
	if t < 0 {
		return nil // from before the beginning
	}
	if last := l.last[f.track]; last >= 0 {
		t = max(t, last+time.Millisecond)
		l.length = min(t-last, time.Second)
	}
	l.last[f.track] = t
	if l.full(f, t) {
		if err := l.flush(); err != nil {
			return err
		}
	}
	l.pending = append(l.pending, Sample{Track: index, Time: t, Keyframe: f.keyframe, Data: f.data})
	l.bytes += len(f.data)
	return nil
}

// full says whether a fragment is to end before a frame of the time t. To seek, those that begin with a keyframe are
// best.
func (l *timeline) full(f placed, t time.Duration) bool {
	if len(l.pending) == 0 {
		return false
	}
	span := t - l.pending[0].Time
	return span >= fragmentTime || l.bytes >= fragmentBytes ||
		f.track == video && f.keyframe && span >= fragmentTime/2
}

// flush writes what is pending.
func (l *timeline) flush() error {
	if len(l.pending) == 0 {
		return nil
	}
	samples := l.pending
	l.pending, l.bytes = nil, 0
	slices.SortStableFunc(samples, func(a, b Sample) int { return cmp.Compare(a.Time, b.Time) })
	return l.write(samples)
}

// finish writes all that is left and reports whether there is anything in the file.
func (l *timeline) finish() (begun bool, err error) {
	if l.state == gathering && len(l.early) > 0 {
		if err := l.start(); err != nil {
			return false, err
		}
	}
	return l.state != gathering, l.flush()
}
