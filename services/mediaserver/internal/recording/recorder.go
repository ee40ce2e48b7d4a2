package recording

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
)

// output is what a muxer writes to.
type output interface {
	io.Writer
	io.WriterAt
}

// File is an empty file to record into; an [os.File] is one.
type File interface {
	output
	io.Closer
	Truncate(size int64) error
}

var (
	// ErrOverload says that the disk was too slow, so that something is missing in the file.
	ErrOverload = errors.New("the disk is too slow: some media was not recorded")
	// ErrNothing says that a file is empty.
	ErrNothing = errors.New("nothing was recorded: no media came")
)

// queueLength bounds what waits for the disk: chosen; some seconds of one publisher.
const queueLength = 2048

// Config is what a [Recorder] needs.
type Config struct {
	Profile Profile
	// RequestKeyframe asks the source of the video for a keyframe. It must not wait.
	RequestKeyframe func()
	// Begun is told when something is in the file. It is called as Failed is.
	Begun func()
	// Failed is told, once each, what could not be recorded. It is called by the recorder's goroutine and must not call
	// the recorder.
	Failed func(error)
}

// Recorder writes one file. Its tracks take packets without waiting; a goroutine, which ends with [Recorder.Stop], puts
// them together and writes them. Safe for concurrent use.
type Recorder struct {
	cfg     Config
	packets *packets
	queue   chan func()
	input   [tracks]*Input
	paused  atomic.Bool
	late    atomic.Bool // something found the queue full

	stop     func() // may be called again
	stopping chan struct{}
	done     chan struct{}

	// Owned by the goroutine.
	file   *guarded
	mux    muxer
	line   *timeline
	told   map[string]bool
	failed bool // the file takes no more
}

// Record begins to record into a file, which it closes.
func Record(file File, cfg Config) *Recorder {
	r := &Recorder{
		cfg: cfg, packets: newPackets(), queue: make(chan func(), queueLength),
		stopping: make(chan struct{}), done: make(chan struct{}),
		file: &guarded{File: file}, line: newTimeline(cfg.Profile), told: map[string]bool{},
	}
	r.stop = sync.OnceFunc(func() { close(r.stopping) })
	r.mux = cfg.Profile.muxer(r.file)
	r.line.begin, r.line.write, r.line.fail = r.begin, r.write, r.tell
	for track := range r.input {
		r.input[track] = newInput(r, track)
	}
	go r.run()
	return r
}

// Audio is the track with the sound.
func (r *Recorder) Audio() *Input { return r.input[audio] }

// Video is the track with the pictures.
func (r *Recorder) Video() *Input { return r.input[video] }

// Pause leaves out what comes from now on, without a gap in the file.
func (r *Recorder) Pause() {
	if !r.paused.Swap(true) {
		r.post(func() { r.check(r.line.pause()) })
	}
}

// Resume ends a pause.
func (r *Recorder) Resume() {
	if r.paused.Load() {
		r.post(func() {
			for _, in := range r.input {
				in.restart()
			}
		})
		r.paused.Store(false)
		r.cfg.RequestKeyframe()
	}
}

// Stop ends the recording and returns when the file is closed. It may be called again.
func (r *Recorder) Stop() {
	r.stop()
	<-r.done
}

// post has the goroutine do something, after what is in the queue. It waits for a place in it.
func (r *Recorder) post(do func()) {
	select {
	case r.queue <- do:
	case <-r.done:
	}
}

// offer is post for somebody who cannot wait.
func (r *Recorder) offer(do func()) bool {
	select {
	case r.queue <- do:
		return true
	default:
		r.late.Store(true)
		return false
	}
}

func (r *Recorder) run() {
	defer close(r.done)
	for stopping := false; !stopping; {
		select {
		case do := <-r.queue:
			r.do(do)
		case <-r.stopping:
			stopping = true
		}
	}
	for range len(r.queue) { // what was there when the stop was
		r.do(<-r.queue)
	}
	r.finish()
}

func (r *Recorder) do(do func()) {
	do()
	if r.late.CompareAndSwap(true, false) {
		r.tell(ErrOverload)
	}
}

func (r *Recorder) finish() {
	for _, in := range r.input {
		in.flush()
	}
	begun, err := r.line.finish()
	if r.check(err); begun && !r.failed {
		r.check(r.mux.end())
	}
	if err := r.file.Close(); err != nil {
		r.tell(err)
	}
	if !begun && !r.failed {
		r.tell(ErrNothing)
	}
}

func (r *Recorder) begin(tracks []Track) error {
	err := r.mux.begin(tracks)
	if err == nil {
		r.file.keep()
		r.cfg.Begun()
	}
	return err
}

func (r *Recorder) write(samples []Sample) error {
	err := r.mux.fragment(samples)
	if err == nil {
		r.file.keep()
	}
	return err
}

// check ends the recording at an error; what is whole in the file stays.
func (r *Recorder) check(err error) {
	if err == nil || r.failed {
		return
	}
	r.failed = true
	r.tell(err)
	if err := r.file.rollBack(); err != nil {
		r.tell(err)
	}
}

// tell says once what could not be recorded.
func (r *Recorder) tell(err error) {
	if !r.told[err.Error()] {
		r.told[err.Error()] = true
		r.cfg.Failed(err)
	}
}

// guarded remembers up to where a file is whole.
type guarded struct {
	File
	size, whole int64
}

// Write implements io.Writer.
func (g *guarded) Write(data []byte) (int, error) {
	n, err := g.File.Write(data)
	g.size += int64(n)
	return n, err
}

func (g *guarded) keep() { g.whole = g.size }

func (g *guarded) rollBack() error { return g.Truncate(g.whole) }

// Input is one track of a recorder.
type Input struct {
	recorder *Recorder
	track    int

	// Owned by the recorder's goroutine.
	order  *order
	frames *frames
}

func newInput(r *Recorder, track int) *Input {
	in := &Input{recorder: r, track: track}
	in.frames = newFrames(in.emit, in.starved)
	in.restart()
	return in
}

// Write takes one packet of a codec that the profile has, under that name. It never waits, and keeps nothing of its
// parameters: what finds the queue full is lost.
func (in *Input) Write(codec string, header *rtp.Header, payload []byte) {
	r := in.recorder
	if r.paused.Load() || len(payload) > maxPacketBytes {
		return
	}
	p := r.packets.take(codec, header, payload, time.Now())
	if !r.offer(func() { in.order.push(p, in.frames.push) }) {
		r.packets.free(p)
	}
}

// Report takes what a sender report says: what time of day, in the format of NTP, a timestamp stands for.
func (in *Input) Report(ntp uint64, timestamp uint32) {
	in.recorder.offer(func() { in.recorder.line.report(in.track, timestamp, ntpTime(ntp)) })
}

func (in *Input) flush() { in.order.flush(in.frames.push) }

// restart forgets what was going on before a pause.
func (in *Input) restart() {
	in.order = &order{free: in.recorder.packets.free}
	in.frames.refresh()
}

func (in *Input) emit(f frame) {
	r := in.recorder
	if !r.failed {
		r.check(r.line.add(placed{frame: f, track: in.track}))
	}
}

func (in *Input) starved(at time.Time) {
	in.recorder.line.starving(in.track, at)
	in.recorder.cfg.RequestKeyframe()
}
