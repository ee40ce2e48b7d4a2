package media

import (
	"context"
	"sync/atomic"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/logging"
	"github.com/orkestro/orkestro/services/mediaserver/internal/recording"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

func recorderClass() class {
	return class{module: "kurento", name: "RecorderEndpoint", hierarchy: uriHierarchy()}
}

// RecorderEndpointParams are the constructor parameters of a RecorderEndpoint.
type RecorderEndpointParams struct {
	URI               string
	MediaProfile      string
	StopOnEndOfStream bool
}

// RecorderEndpoint is the RecorderEndpoint of the Kurento Protocol: what is connected to it is written into a file, as
// it comes. Safe for concurrent use.
type RecorderEndpoint struct {
	uriEndpoint
	profile   recording.Profile
	stopAtEnd bool
	taps      map[MediaType]*tap

	recorder *recording.Recorder // nil: stopped; owned by the queue
	done     func()
}

// NewRecorderEndpoint makes a RecorderEndpoint. Errors are [*Error]: of the URI, or of a profile that would need an
// encoder.
func (p *Pipeline) NewRecorderEndpoint(params RecorderEndpointParams) (*RecorderEndpoint, error) {
	profile, err := recording.ParseProfile(params.MediaProfile)
	if err != nil {
		return nil, errorf(codeNotAvailable, "%v", err)
	}
	e := &RecorderEndpoint{profile: profile, stopAtEnd: params.StopOnEndOfStream, taps: map[MediaType]*tap{}}
	if err := e.init(e, p, recorderClass(), params.URI); err != nil {
		return nil, err
	}
	if profile.Audio {
		e.addTap(Audio, control.KindAudio, recording.AudioClock)
	}
	if profile.Video {
		e.addTap(Video, control.KindVideo, recording.VideoClock)
	}
	return e, p.children.addElement(p.server, p, e)
}

// addTap takes what is connected from now on: clients wait for media to flow before they record.
func (e *RecorderEndpoint) addTap(kind MediaType, name string, clock uint32) {
	t := &tap{profile: e.profile}
	e.taps[kind] = t
	e.inputs[kind] = rtc.NewSink(name, "kurento", name)
	e.inputs[kind].Bind(rtc.Output{
		Codec: rtc.Codec{ClockRate: clock}, Takes: t.takes, Live: true, Writer: t, Control: t.control,
	})
}

// Record begins to record, in place of the file that may be there, or goes on after a pause. It comes to
// [EventRecording] when there is media. Errors are [*Error].
func (e *RecorderEndpoint) Record(ctx context.Context) error {
	return e.call(ctx, func() error {
		if e.recorder != nil {
			e.recorder.Resume()
			if e.setState(uriStart) {
				e.server.emit(e, EventRecording, nil)
			}
			return nil
		}
		file, done, err := e.server.files.create(e.file)
		if err != nil {
			return err
		}
		e.done = done
		e.recorder = recording.Record(file, recording.Config{
			Profile:         e.profile,
			RequestKeyframe: e.requestKeyframe,
			Begun:           func() { e.server.emit(e, EventRecording, nil) },
			Failed:          e.failed,
		})
		e.connect(e.recorder.Audio(), e.recorder.Video())
		e.setState(uriStart)
		e.requestKeyframe()
		return nil
	})
}

// connect has what is tapped go to a recorder, nil: to nobody.
func (e *RecorderEndpoint) connect(audio, video *recording.Input) {
	for kind, input := range map[MediaType]*recording.Input{Audio: audio, Video: video} {
		if t := e.taps[kind]; t != nil {
			t.connect(input)
		}
	}
}

func (e *RecorderEndpoint) requestKeyframe() {
	if sink := e.inputs[Video]; sink != nil {
		sink.Feedback([]rtcp.Packet{&rtcp.PictureLossIndication{}})
	}
}

func (e *RecorderEndpoint) failed(err error) {
	e.server.log.Warn("recording is not whole", logging.KeyError, err, "file", e.file)
	e.fail(err)
}

// Pause leaves out what comes until Record.
func (e *RecorderEndpoint) Pause(ctx context.Context) error {
	return e.call(ctx, func() error {
		if e.recorder == nil {
			return nil
		}
		e.recorder.Pause()
		if e.setState(uriPause) {
			e.server.emit(e, EventPaused, nil)
		}
		return nil
	})
}

// Stop ends the recording. [EventStopped] comes when the file is closed.
func (e *RecorderEndpoint) Stop(context.Context) error {
	if !e.queue.post(e.stop) {
		return errReleased(e.id)
	}
	return nil
}

// StopAndWait ends the recording and returns when the file is closed.
func (e *RecorderEndpoint) StopAndWait(ctx context.Context) error {
	return e.call(ctx, func() error {
		e.stop()
		return nil
	})
}

// stop runs on the queue.
func (e *RecorderEndpoint) stop() {
	if e.recorder == nil {
		return
	}
	e.connect(nil, nil)
	e.recorder.Stop()
	e.done()
	e.recorder = nil
	e.setState(uriStop)
	e.server.emit(e, EventStopped, nil)
}

// sourceEnded is called when the end of what is connected was reached.
func (e *RecorderEndpoint) sourceEnded() {
	if e.stopAtEnd {
		e.queue.post(e.stop)
	}
}

func (e *RecorderEndpoint) close() {
	e.leave()
	e.queue.close(e.stop)
	e.pipeline.forget(e)
}

// tap takes the packets of one kind for a recorder. Those that nobody records, or not now, count as taken. Safe for
// concurrent use.
type tap struct {
	profile  recording.Profile
	codec    atomic.Pointer[string]
	input    atomic.Pointer[recording.Input]
	reported atomic.Pointer[rtcp.SenderReport] // the last one
}

func (t *tap) takes(c rtc.Codec) bool {
	codec, ok := t.profile.Codec(c.MIME)
	if ok {
		t.codec.Store(&codec)
	}
	return ok
}

// WriteRTP is called for each packet, behind takes.
func (t *tap) WriteRTP(header *rtp.Header, payload []byte) (int, error) {
	codec, input := t.codec.Load(), t.input.Load()
	if codec == nil {
		return 0, nil
	}
	if input != nil {
		input.Write(*codec, header, payload)
	}
	return header.MarshalSize() + len(payload), nil
}

func (t *tap) control(packets []rtcp.Packet) error {
	for _, p := range packets {
		report, ok := p.(*rtcp.SenderReport)
		if !ok {
			continue
		}
		t.reported.Store(report)
		if input := t.input.Load(); input != nil {
			input.Report(report.NTPTime, report.RTPTime)
		}
	}
	return nil
}

func (t *tap) connect(input *recording.Input) {
	t.input.Store(input)
	if report := t.reported.Load(); report != nil && input != nil {
		input.Report(report.NTPTime, report.RTPTime)
	}
}
