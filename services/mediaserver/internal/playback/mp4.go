package playback

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

const (
	maxMovieBytes     = 64 << 20 // chosen: the tables of a day
	maxFragmentHead   = 4 << 20
	maxFragmentFrames = 100_000
)

// mp4 reads MP4, whole (ISO/IEC 14496-12 section 8.7) and in fragments (section 8.8).
type mp4 struct {
	file   *section
	list   []Track
	parts  []*mp4Track
	length time.Duration
	clock  int64                     // of the movie, Hz
	preset map[uint32]fragmentPreset // by track id

	first int64       // where the first fragment is, or the end
	at    int64       // where the next one is looked for
	ready []sampleRef // of the present one
	ended map[int]int64
}

func openMP4(file *section) (demuxer, error) {
	m := &mp4{file: file, preset: map[uint32]fragmentPreset{}, first: file.size, ended: map[int]int64{}}
	found := false
	err := m.walk(0, func(b box) (bool, error) {
		switch b.kind {
		case "moov":
			data, err := file.take(b.start, b.end-b.start, maxMovieBytes)
			if err != nil {
				return false, err
			}
			found = true
			return true, boxes(data, m.readMovie)
		case "moof":
			m.first = min(m.first, b.at)
			return !found, nil
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if len(m.parts) == 0 {
		return nil, fmt.Errorf("%w: no tracks", ErrFormat)
	}
	for _, t := range m.parts {
		m.list = append(m.list, t.Track)
		m.length = max(m.length, t.duration(t.length))
	}
	m.at = m.first
	if m.length == 0 {
		m.length = m.lastFragment()
	}
	return m, nil
}

// walk visits the boxes of the file from a place on, until visit says that it is enough. A box that is cut off ends it.
func (m *mp4) walk(at int64, visit func(b box) (more bool, err error)) error {
	for range maxHops {
		head := make([]byte, 16)
		n := min(int64(len(head)), m.file.size-at)
		if n < 8 {
			return nil
		}
		if err := m.file.read(head[:n], at); err != nil {
			return err
		}
		size, start := int64(binary.BigEndian.Uint32(head)), at+8
		switch {
		case size == 0:
			size = m.file.size - at
		case size == 1 && n == 16:
			size, start = int64(binary.BigEndian.Uint64(head[8:])&(1<<62-1)), at+16
		}
		if size < start-at {
			return fmt.Errorf("%w: a box of %d bytes", ErrFormat, size)
		}
		if size > m.file.size-at {
			return nil
		}
		if more, err := visit(box{kind: string(head[4:8]), at: at, start: start, end: at + size}); err != nil || !more {
			return err
		}
		at += size
	}
	return nil
}

func (m *mp4) readMovie(kind string, content []byte) error {
	switch kind {
	case "trak":
		t := &mp4Track{index: len(m.parts), most: int(m.file.size)}
		if err := boxes(content, t.read); err != nil {
			return err
		}
		if t.handler != "vide" && t.handler != "soun" {
			return nil // subtitles and the like
		}
		if len(m.parts) >= maxTracks {
			return fmt.Errorf("%w: too many tracks", ErrFormat)
		}
		m.parts = append(m.parts, t)
		return t.check(m.clock)
	case "mvex":
		return boxes(content, func(kind string, content []byte) error {
			if f := (fields{content}); kind == "trex" {
				f.full()
				id := f.u32()
				f.u32()
				m.preset[id] = fragmentPreset{duration: f.u32(), size: f.u32(), flags: f.u32()}
			}
			return nil
		})
	case "mvhd":
		f := fields{content}
		version, _ := f.full()
		f.bytes(8 + 8*int(version&1))
		if m.clock = int64(f.u32()); m.clock > 0 {
			m.length = (&mp4Track{clock: m.clock}).duration(f.wide(version))
		}
	}
	return nil
}

func (m *mp4) tracks() []Track         { return m.list }
func (m *mp4) duration() time.Duration { return m.length }

func (m *mp4) next() (Sample, error) {
	ref, ok := m.nextWhole()
	if !ok {
		var err error
		if ref, err = m.nextFragmented(); err != nil {
			return Sample{}, err
		}
	}
	data, err := m.file.take(ref.offset, ref.size, maxSampleBytes)
	if err != nil {
		return Sample{}, err
	}
	return Sample{Track: ref.track, Time: ref.time, Keyframe: ref.keyframe, Data: data}, nil
}

// nextWhole is the next sample that the header of the file lists.
func (m *mp4) nextWhole() (first sampleRef, ok bool) {
	for _, t := range m.parts {
		if ref, there := t.peek(); there && (!ok || ref.order < first.order) {
			first, ok = ref, true
		}
	}
	if ok {
		m.parts[first.track].skip(first)
	}
	return first, ok
}

// nextFragmented is the next sample of the fragments.
func (m *mp4) nextFragmented() (sampleRef, error) {
	for len(m.ready) == 0 {
		if m.at >= m.file.size {
			return sampleRef{}, io.EOF
		}
		from := m.at
		m.at = m.file.size
		err := m.walk(from, func(b box) (bool, error) {
			if b.kind != "moof" {
				return true, nil
			}
			m.at = b.end
			return false, m.readFragment(b)
		})
		if err != nil {
			return sampleRef{}, err
		}
	}
	ref := m.ready[0]
	m.ready = m.ready[1:]
	return ref, nil
}

// lastFragment is about where a file ends that does not tell.
func (m *mp4) lastFragment() (last time.Duration) {
	err := m.walk(m.first, func(b box) (bool, error) {
		if b.kind == "moof" {
			if err := m.readFragment(b); err != nil {
				return false, err
			}
		}
		for _, ref := range m.ready {
			last = max(last, ref.time)
		}
		m.ready = nil
		return true, nil
	})
	if err != nil && !errors.Is(err, ErrFormat) {
		return 0
	}
	clear(m.ended)
	return last
}

// seek goes to the last keyframe of the video from before a time, and with the other tracks to the same time.
func (m *mp4) seek(to time.Duration) error {
	m.ready, m.at = nil, m.first
	clear(m.ended)
	for _, t := range m.parts {
		t.rewind()
	}
	if m.first < m.file.size {
		return m.seekFragment(to)
	}
	lead := m.parts[max(slices.IndexFunc(m.parts, func(t *mp4Track) bool { return t.handler == "vide" }), 0)]
	target := time.Duration(0)
	for ref, ok := lead.peek(); ok && ref.order <= to; ref, ok = lead.peek() {
		if ref.keyframe {
			target = ref.order
		}
		lead.skip(ref)
	}
	for _, t := range m.parts {
		t.rewind()
		for ref, ok := t.peek(); ok && ref.order < target; ref, ok = t.peek() {
			t.skip(ref)
		}
	}
	return nil
}

func (m *mp4) seekFragment(to time.Duration) error {
	found := m.first
	err := m.walk(m.first, func(b box) (bool, error) {
		if b.kind != "moof" {
			return true, nil
		}
		if err := m.readFragment(b); err != nil {
			return false, err
		}
		first := m.ready
		m.ready = nil
		if len(first) > 0 && first[0].order > to {
			return false, nil
		}
		if slices.ContainsFunc(first, func(r sampleRef) bool { return r.keyframe && m.parts[r.track].handler == "vide" }) ||
			!slices.ContainsFunc(m.parts, func(t *mp4Track) bool { return t.handler == "vide" }) {
			found = b.at
		}
		return true, nil
	})
	clear(m.ended)
	m.at = found
	return err
}
