package playback

import (
	"fmt"
	"slices"
)

// fragmentPreset is what samples of a fragment have that do not say otherwise.
type fragmentPreset struct{ duration, size, flags uint32 }

// Flags of tfhd and trun (ISO/IEC 14496-12 sections 8.8.7 and 8.8.8).
const (
	tfhdBase     = 0x1
	tfhdIndex    = 0x2
	tfhdDuration = 0x8
	tfhdSize     = 0x10
	tfhdFlags    = 0x20

	trunOffset   = 0x1
	trunFirst    = 0x4
	trunDuration = 0x100
	trunSize     = 0x200
	trunFlags    = 0x400
	trunShift    = 0x800

	notSync = 1 << 16
)

// fragment is what is known of one track's part of a fragment while it is read.
type fragment struct {
	track  *mp4Track
	preset fragmentPreset
	base   int64 // what offsets are relative to
	place  int64 // of the next sample
	decode int64
}

// readFragment lists the samples of a fragment in m.ready.
func (m *mp4) readFragment(moof box) error {
	data, err := m.file.take(moof.start, moof.end-moof.start, maxFragmentHead)
	if err != nil {
		return err
	}
	m.ready = nil
	err = boxes(data, func(kind string, content []byte) error {
		if kind != "traf" {
			return nil
		}
		f := fragment{base: moof.at, place: moof.end + 8}
		return boxes(content, func(kind string, content []byte) error { return m.readTrackFragment(&f, kind, content) })
	})
	slices.SortStableFunc(m.ready, byOrder)
	return err
}

func (m *mp4) readTrackFragment(f *fragment, kind string, content []byte) error {
	in := fields{content}
	switch {
	case kind == "tfhd":
		m.readTrackHead(f, in)
	case kind == "tfdt" && f.track != nil:
		version, _ := in.full()
		f.decode = min(in.wide(version), 1<<61)
	case kind == "trun" && f.track != nil:
		return m.readRun(f, in)
	}
	return nil
}

func (m *mp4) readTrackHead(f *fragment, in fields) {
	_, flags := in.full()
	id := in.u32()
	index := slices.IndexFunc(m.parts, func(t *mp4Track) bool { return t.id == id })
	if index < 0 {
		return
	}
	f.track, f.preset, f.decode = m.parts[index], m.preset[id], m.ended[index]
	if flags&tfhdBase != 0 {
		f.base = in.wide(1)
	}
	if flags&tfhdIndex != 0 {
		in.u32()
	}
	if flags&tfhdDuration != 0 {
		f.preset.duration = in.u32()
	}
	if flags&tfhdSize != 0 {
		f.preset.size = in.u32()
	}
	if flags&tfhdFlags != 0 {
		f.preset.flags = in.u32()
	}
}

func (m *mp4) readRun(f *fragment, in fields) error {
	_, flags := in.full()
	count := int(in.u32())
	if count > maxFragmentFrames-len(m.ready) {
		return fmt.Errorf("%w: %d samples in a fragment", ErrFormat, count)
	}
	if flags&trunOffset != 0 {
		f.place = f.base + int64(int32(in.u32()))
	}
	first := f.preset.flags
	if flags&trunFirst != 0 {
		first = in.u32()
	}
	for i := range count {
		s := f.preset
		if i == 0 {
			s.flags = first
		}
		if flags&trunDuration != 0 {
			s.duration = in.u32()
		}
		if flags&trunSize != 0 {
			s.size = in.u32()
		}
		if flags&trunFlags != 0 {
			s.flags = in.u32()
		}
		shift := int64(0)
		if flags&trunShift != 0 {
			shift = int64(int32(in.u32()))
		}
		m.ready = append(m.ready, sampleRef{
			track: f.track.index, decode: f.decode, time: f.track.shown(f.decode, shift),
			order: f.track.duration(f.decode), keyframe: s.flags&notSync == 0, offset: f.place, size: int64(s.size),
		})
		f.place += int64(s.size)
		f.decode = min(f.decode+int64(s.duration), 1<<61)
	}
	m.ended[f.track.index] = f.decode
	return nil
}
