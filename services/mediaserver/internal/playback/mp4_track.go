package playback

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"time"
)

// sampleRef is where a sample is in the file.
type sampleRef struct {
	track    int
	decode   int64 // in ticks of the track
	time     time.Duration
	order    time.Duration // when it is decoded
	keyframe bool
	offset   int64
	size     int64
}

// mp4Track is a track and a place in its list of samples, which stays as it is in the file: nothing is unpacked before
// its turn.
type mp4Track struct {
	Track
	index   int
	id      uint32
	clock   int64 // Hz
	length  int64 // in ticks
	delay   int64 // until the track begins, in ticks of the movie
	cut     int64 // what is left out at its beginning, in ticks
	handler string
	most    int // samples that the file has room for

	times, offsets, keys, chunks, sizes, places table
	commonSize                                  uint32
	count                                       int
	widePlaces                                  bool

	sample            int   // the next one
	decode            int64 // its time
	timeRun, timeLeft int   // entry of times, and how many samples are left in it
	offRun, offLeft   int
	keyRun, chunkRun  int
	chunk, chunkLeft  int
	place             int64
}

func (t *mp4Track) read(kind string, content []byte) error {
	f := fields{content}
	switch kind {
	case "mdia", "minf", "stbl", "edts":
		return boxes(content, t.read)
	case "tkhd":
		version, _ := f.full()
		f.bytes(8 + 8*int(version&1))
		t.id = f.u32()
	case "mdhd":
		version, _ := f.full()
		f.bytes(8 + 8*int(version&1))
		t.clock = int64(f.u32())
		t.length = f.wide(version)
	case "elst":
		t.readEdits(f)
	case "hdlr":
		f.bytes(8)
		t.handler = string(f.bytes(4))
	case "stsd":
		return t.readEntry(content)
	case "stts":
		t.times = newTable(content, 8)
	case "ctts":
		t.offsets = newTable(content, 8)
	case "stss":
		t.keys = newTable(content, 4)
	case "stsc":
		t.chunks = newTable(content, 12)
	case "stco":
		t.places = newTable(content, 4)
	case "co64":
		t.places, t.widePlaces = newTable(content, 8), true
	case "stsz":
		f.full()
		t.commonSize, t.count = f.u32(), int(f.u32())
		if t.commonSize == 0 {
			t.sizes = newTable(content[min(4, len(content)):], 4)
			t.count = t.sizes.len()
		}
		t.count = min(t.count, t.most)
	}
	return nil
}

// readEdits reads where the track begins: an empty edit delays it, the first other one says what is left out of it.
func (t *mp4Track) readEdits(f fields) {
	version, _ := f.full()
	for range min(f.u32(), 16) {
		length, from := f.wide(version), int64(int32(f.u32()))
		if version == 1 {
			from = from<<32 | int64(f.u32())
		}
		f.u32() // rate
		if from >= 0 {
			t.cut = min(from, 1<<61)
			return
		}
		t.delay = length
	}
}

// shown is when what is decoded at a time is to be seen or heard, in ticks.
func (t *mp4Track) shown(decode, shift int64) time.Duration {
	return t.duration(decode + shift - t.cut)
}

// readEntry reads the first sample description.
func (t *mp4Track) readEntry(content []byte) error {
	f := fields{content}
	f.bytes(8)
	return boxes(f.data, func(kind string, entry []byte) error {
		if t.Codec != "" {
			return nil
		}
		codecs := map[string]string{"avc1": H264, "avc3": H264, "vp08": VP8, "vp09": VP9, "av01": AV1, "Opus": Opus}
		if t.Codec = codecs[kind]; t.Codec == "" {
			t.Codec = kind
		}
		if t.Codec != H264 {
			return nil
		}
		const visualEntry = 78 // bytes before the boxes
		return boxes(entry[min(visualEntry, len(entry)):], func(kind string, content []byte) (err error) {
			if kind == "avcC" {
				t.Sets, t.unit, err = avcConfig(content)
			}
			return err
		})
	})
}

// check says whether the track can be used, after it was read.
func (t *mp4Track) check(movieClock int64) error {
	if movieClock > 0 {
		t.cut -= min(t.delay, 1<<30) * t.clock / movieClock
	}
	if t.clock <= 0 || t.Codec == H264 && t.unit == 0 {
		return fmt.Errorf("%w: a track without what it needs", ErrFormat)
	}
	t.rewind()
	return nil
}

func (t *mp4Track) duration(ticks int64) time.Duration {
	ticks = max(ticks, 0)
	seconds := min(ticks/t.clock, 1<<32)
	return time.Duration(seconds)*time.Second + time.Duration(ticks%t.clock*int64(time.Second)/t.clock)
}

func (t *mp4Track) rewind() {
	t.sample, t.decode, t.keyRun = 0, 0, 0
	t.timeRun, t.timeLeft, t.offRun, t.offLeft = -1, 0, -1, 0
	t.chunk, t.chunkLeft, t.chunkRun = -1, 0, 0
}

// peek is the next sample; ok is false at the end.
func (t *mp4Track) peek() (ref sampleRef, ok bool) {
	if t.sample >= t.count || !t.openChunk() {
		return sampleRef{}, false
	}
	run(t.times, &t.timeRun, &t.timeLeft)
	run(t.offsets, &t.offRun, &t.offLeft)
	shift := int64(0)
	if t.offLeft > 0 {
		shift = int64(int32(t.offsets.at(t.offRun, 1)))
	}
	size := t.commonSize
	if size == 0 {
		size = t.sizes.at(t.sample, 0)
	}
	return sampleRef{
		track: t.index, decode: t.decode, time: t.shown(t.decode, shift), order: t.duration(t.decode),
		keyframe: t.isKey(), offset: t.place, size: int64(size),
	}, true
}

// run moves to the entry of a run length table that has samples left.
func run(t table, entry, left *int) {
	for *left == 0 && *entry+1 < t.len() {
		*entry++
		*left = int(t.at(*entry, 0))
	}
}

func (t *mp4Track) isKey() bool {
	if t.keys.len() == 0 {
		return true
	}
	for t.keyRun < t.keys.len() && int(t.keys.at(t.keyRun, 0)) <= t.sample {
		t.keyRun++
	}
	return t.keyRun < t.keys.len() && int(t.keys.at(t.keyRun, 0)) == t.sample+1
}

// openChunk goes to the next chunk when the present one is over.
func (t *mp4Track) openChunk() bool {
	if t.chunkLeft > 0 {
		return true
	}
	t.chunk++
	if t.chunk >= t.places.len() || t.chunks.len() == 0 {
		t.sample = t.count
		return false
	}
	for t.chunkRun+1 < t.chunks.len() && int(t.chunks.at(t.chunkRun+1, 0)) <= t.chunk+1 {
		t.chunkRun++
	}
	t.chunkLeft = int(t.chunks.at(t.chunkRun, 1))
	t.place = int64(t.places.at(t.chunk, 0))
	if t.widePlaces {
		t.place = int64(binary.BigEndian.Uint64(t.places.data[8*t.chunk:]) & (1<<62 - 1))
	}
	return t.chunkLeft > 0
}

// skip passes over the sample that peek gave.
func (t *mp4Track) skip(ref sampleRef) {
	t.sample++
	t.place += ref.size
	t.chunkLeft--
	if t.timeLeft > 0 {
		t.decode = min(t.decode+int64(t.times.at(t.timeRun, 1)), 1<<61)
		t.timeLeft--
	}
	if t.offLeft > 0 {
		t.offLeft--
	}
}

func byOrder(a, b sampleRef) int { return cmp.Compare(a.order, b.order) }
