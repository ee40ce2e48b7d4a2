package recording

import (
	"errors"
	"sync"
	"sync/atomic"
)

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
	r.line.begin, r.line.write, r.line.refresh, r.line.fail = r.begin, r.write, cfg.RequestKeyframe, r.tell
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
