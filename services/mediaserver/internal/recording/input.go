package recording

import (
	"time"

	"github.com/pion/rtp"
)

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
