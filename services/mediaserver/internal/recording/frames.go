package recording

import (
	"time"

	"github.com/pion/rtp/codecs"
)

// maxFrameBytes bounds what one picture may be: chosen; a keyframe of 4K video is a tenth of it.
const maxFrameBytes = 8 << 20

// frame is one picture, or one packet of sound.
type frame struct {
	codec     string
	at        time.Time // when its first packet came
	timestamp uint32
	keyframe  bool
	data      []byte
}

// depacketizer takes the payload of a packet and gives what it holds of the frame.
type depacketizer interface {
	Unmarshal(payload []byte) ([]byte, error)
	IsPartitionHead(payload []byte) bool
}

func newDepacketizer(codec string) depacketizer {
	switch codec {
	case VP8:
		return &codecs.VP8Packet{}
	case VP9:
		return &vp9Depacketizer{}
	case AV1:
		return &codecs.AV1Depacketizer{}
	case H264:
		return &codecs.H264Packet{IsAVC: true}
	default:
		return nil
	}
}

// frames puts the packets of a track, which come in order, together. A picture of which something is missing is
// dropped, and those after it up to the next keyframe, since they are told as differences from it.
type frames struct {
	emit    func(frame)
	starved func(at time.Time) // a picture was dropped: a keyframe is needed

	open    bool
	broken  bool // of the open frame something is missing
	current frame
	depack  depacketizer
	waiting bool // for a keyframe
}

func newFrames(emit func(frame), starved func(at time.Time)) *frames {
	return &frames{emit: emit, starved: starved, waiting: true}
}

// refresh drops everything up to the next keyframe.
func (f *frames) refresh() { f.open, f.waiting = false, true }

// push takes the next packet; lost says that some before it are missing.
func (f *frames) push(p *packet, lost bool) {
	if p.codec == Opus {
		if len(p.payload) > 0 {
			f.emit(frame{codec: Opus, at: p.at, timestamp: p.timestamp, keyframe: true, data: append([]byte(nil), p.payload...)})
		}
		return
	}
	if lost || p.codec != f.current.codec {
		f.drop(p.at)
	}
	if len(p.payload) == 0 {
		return // padding
	}
	if f.open && p.timestamp != f.current.timestamp {
		f.finish()
	}
	if !f.open {
		f.begin(p)
	}
	data, err := f.depack.Unmarshal(p.payload)
	if err != nil || len(f.current.data)+len(data) > maxFrameBytes {
		f.broken = true
	}
	if !f.broken {
		f.current.data = append(f.current.data, data...)
	}
	if p.marker {
		f.finish()
	}
}

func (f *frames) begin(p *packet) {
	if f.depack == nil || p.codec != f.current.codec {
		f.depack = newDepacketizer(p.codec)
	}
	f.open = true
	f.broken = !f.depack.IsPartitionHead(p.payload)
	f.current = frame{codec: p.codec, at: p.at, timestamp: p.timestamp}
}

// drop gives up the open frame.
func (f *frames) drop(at time.Time) {
	f.open, f.depack, f.waiting = false, nil, true
	f.starved(at)
}

func (f *frames) finish() {
	f.open = false
	if v, ok := f.depack.(*vp9Depacketizer); ok {
		f.current.data = v.finish(f.current.data)
	}
	if f.broken || len(f.current.data) == 0 {
		f.drop(f.current.at)
		return
	}
	f.current.keyframe = isKeyframe(f.current.codec, f.current.data)
	if f.waiting && !f.current.keyframe {
		f.starved(f.current.at)
		return
	}
	f.waiting = false
	f.emit(f.current)
}

// vp9Depacketizer puts the frames of several spatial layers that make one picture into one superframe (VP9 bitstream
// specification, annex B).
type vp9Depacketizer struct {
	codecs.VP9Packet
	sizes []int // of the frames of the present picture
}

// Unmarshal implements depacketizer.
func (d *vp9Depacketizer) Unmarshal(payload []byte) ([]byte, error) {
	data, err := d.VP9Packet.Unmarshal(payload)
	if err != nil {
		return nil, err
	}
	if d.B || len(d.sizes) == 0 {
		d.sizes = append(d.sizes, 0)
	}
	d.sizes[len(d.sizes)-1] += len(data)
	return data, nil
}

func (d *vp9Depacketizer) finish(data []byte) []byte {
	sizes := d.sizes
	d.sizes = nil
	if len(sizes) < 2 || len(sizes) > 8 {
		return data
	}
	const sizeBytes = 4
	marker := byte(0xC0 | (sizeBytes-1)<<3 | (len(sizes) - 1))
	data = append(data, marker)
	for _, size := range sizes {
		data = append(data, byte(size), byte(size>>8), byte(size>>16), byte(size>>24))
	}
	return append(data, marker)
}
