package playback

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// Bounds of what is read from a file before anything is played: chosen; far more than any file of use has.
const (
	maxHeadBytes = 4 << 20 // of the tracks, of the index
	maxHops      = 200_000 // elements that are passed over in search of something
	maxCues      = 100_000
)

// matroska reads WebM and Matroska.
type matroska struct {
	file   *section
	list   []Track
	byID   map[uint64]int // track number to index
	tick   time.Duration
	length time.Duration
	cues   []cue // by time

	segment, first int64 // where the content of the segment begins, and its first cluster
	end            int64 // of the segment
	at             int64 // where the next element is
	cluster        int64 // timestamp of the present cluster, in ticks
	ready          []Sample
}

type cue struct {
	time    time.Duration
	cluster int64
}

// place is an element of the file.
type place struct {
	id         uint32
	start, end int64 // of its content; end is unknownSize for a size that nobody knows
}

func openMatroska(file *section) (demuxer, error) {
	m := &matroska{file: file, byID: map[uint64]int{}, tick: time.Millisecond, end: file.size}
	if err := m.readHead(); err != nil {
		return nil, err
	}
	if m.length == 0 {
		m.length = m.lastBlock()
	}
	m.at = m.first
	return m, nil
}

// element reads the head of the element at a place.
func (m *matroska) element(at int64) (place, error) {
	head := make([]byte, min(12, max(m.end-at, 0)))
	if err := m.file.read(head, at); err != nil {
		return place{}, err
	}
	if len(head) == 0 {
		return place{}, io.EOF
	}
	id, size, n := element(head)
	switch start := at + int64(n); {
	case n == 0:
		return place{}, fmt.Errorf("%w: no element at %d", ErrFormat, at)
	case size == unknownSize:
		return place{id, start, unknownSize}, nil
	case size > m.end-start && (id == idSegment || id == idCluster):
		return place{id, start, unknownSize}, nil // cut off: what is in it may be whole
	case size > m.end-start:
		return place{}, io.EOF
	default:
		return place{id, start, start + size}, nil
	}
}

// time is that of a number of ticks, within bounds.
func (m *matroska) time(ticks int64) time.Duration {
	const limit = int64(1) << 62
	return m.tick * time.Duration(min(max(ticks, 0), limit/int64(m.tick)))
}

// lastBlock is about where a file ends that does not tell.
func (m *matroska) lastBlock() (last time.Duration) {
	cluster := time.Duration(0)
	for at, hops := m.first, 0; hops < maxHops; hops++ {
		p, err := m.element(at)
		if err != nil {
			break
		}
		switch p.id {
		case idTimestamp:
			cluster = m.timestamp(p)
		case idSimpleBlock:
			if head, err := m.file.take(p.start, min(p.end-p.start, 12), 12); err == nil {
				if _, at, _, ok := blockHead(head); ok {
					last = max(last, cluster+m.tick*time.Duration(at))
				}
			}
		}
		last = max(last, cluster)
		at = p.end
		if p.id == idCluster || p.end == unknownSize {
			at = p.start
		}
	}
	return last
}

// timestamp is that of a cluster.
func (m *matroska) timestamp(p place) time.Duration {
	data, err := m.file.take(p.start, p.end-p.start, 8)
	if err != nil {
		return 0
	}
	return m.time(int64(number(data)))
}

func (m *matroska) tracks() []Track         { return m.list }
func (m *matroska) duration() time.Duration { return m.length }

func (m *matroska) next() (Sample, error) {
	for len(m.ready) == 0 {
		p, err := m.element(m.at)
		if errors.Is(err, ErrFormat) {
			err = io.EOF // what is whole has been played
		}
		if err != nil {
			return Sample{}, err
		}
		m.at = p.end
		if p.id == idCluster || p.end == unknownSize {
			m.at = p.start // what is in it comes next
			continue
		}
		if err := m.readElement(p); err != nil {
			return Sample{}, err
		}
	}
	s := m.ready[0]
	m.ready = m.ready[1:]
	return s, nil
}

// readElement reads an element of a cluster.
func (m *matroska) readElement(p place) error {
	switch p.id {
	case idTimestamp:
		m.cluster = int64(m.timestamp(p) / m.tick)
		return nil
	case idSimpleBlock, idBlockGroup:
	default:
		return nil
	}
	data, err := m.file.take(p.start, p.end-p.start, maxSampleBytes)
	if err != nil {
		return err
	}
	if p.id == idSimpleBlock {
		_, _, rest, ok := blockHead(data)
		m.readBlock(data, ok && rest[0]&0x80 != 0)
		return nil
	}
	var block []byte
	keyframe := true
	err = children(data, func(id uint32, content []byte) error {
		switch id {
		case idBlock:
			block = content
		case idReference:
			keyframe = false
		}
		return nil
	})
	if err == nil {
		m.readBlock(block, keyframe)
	}
	return nil
}

// blockHead reads what a block begins with (RFC 9559 section 10.1): its track, its time relative to the cluster's in
// ticks, and flags. What is left are its frames.
func blockHead(data []byte) (track uint64, at int16, rest []byte, ok bool) {
	track, n := vint(data, false)
	if n == 0 || len(data) < n+3 {
		return 0, 0, nil, false
	}
	return track, int16(binary.BigEndian.Uint16(data[n:])), data[n+2:], true
}

// readBlock reads a block. A broken one is passed over, as is one of another track.
func (m *matroska) readBlock(data []byte, keyframe bool) {
	id, ticks, rest, ok := blockHead(data)
	track, known := m.byID[id]
	if !ok || !known {
		return
	}
	at := m.time(m.cluster + int64(ticks))
	for i, frame := range laces(rest[1:], rest[0]>>1&3) {
		s := Sample{Track: track, Time: at, Keyframe: keyframe, Data: frame}
		if m.list[track].Codec == Opus {
			at += opusLength(frame)
		} else if i > 0 {
			s.Keyframe = false
		}
		m.ready = append(m.ready, s)
	}
}

func (m *matroska) seek(to time.Duration) error {
	at := m.first
	if len(m.cues) > 0 {
		for _, c := range m.cues {
			if c.time <= to {
				at = c.cluster
			}
		}
	} else {
		at = m.clusterBefore(to)
	}
	m.at, m.ready = at, nil
	return nil
}

// clusterBefore looks for the last cluster from before a time.
func (m *matroska) clusterBefore(to time.Duration) int64 {
	found, cluster := m.first, m.first
	for at, hops := m.first, 0; hops < maxHops; hops++ {
		p, err := m.element(at)
		if err != nil {
			break
		}
		switch p.id {
		case idCluster:
			cluster = at
		case idTimestamp:
			if m.timestamp(p) > to {
				return found
			}
			found = cluster
		}
		at = p.end
		if p.id == idCluster || p.end == unknownSize {
			at = p.start
		}
	}
	return found
}
