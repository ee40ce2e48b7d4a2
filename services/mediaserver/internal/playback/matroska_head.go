package playback

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// readHead reads what is before the first cluster, and the index behind the last.
func (m *matroska) readHead() error {
	for range maxHops {
		p, err := m.element(m.at)
		if errors.Is(err, io.EOF) || err != nil && m.first != 0 {
			break // what follows is cut off or broken
		}
		if err != nil {
			return err
		}
		switch {
		case p.id == idSegment:
			m.segment, m.at = p.start, p.start
			if p.end != unknownSize {
				m.end = p.end
			}
			continue
		case p.id == idCluster && m.first == 0:
			m.first = m.at
		}
		if p.end == unknownSize {
			break // what follows is found by playing only
		}
		if err := m.readPart(p); err != nil {
			return err
		}
		m.at = p.end
	}
	if m.first == 0 {
		return fmt.Errorf("%w: nothing is in it", ErrFormat)
	}
	slices.SortStableFunc(m.cues, func(a, b cue) int { return int(a.time.Milliseconds() - b.time.Milliseconds()) })
	return nil
}

func (m *matroska) readPart(p place) error {
	switch p.id {
	case idInfo, idTracks, idCues:
	default:
		return nil
	}
	data, err := m.file.take(p.start, p.end-p.start, maxHeadBytes)
	if err != nil {
		return err
	}
	switch p.id {
	case idInfo:
		return m.readInfo(data)
	case idTracks:
		return children(data, func(id uint32, entry []byte) error {
			if id != idTrackEntry {
				return nil
			}
			return m.readTrack(entry)
		})
	default:
		return m.readCues(data)
	}
}

func (m *matroska) readInfo(data []byte) error {
	var ticks float64
	err := children(data, func(id uint32, content []byte) error {
		switch id {
		case idTickLength:
			m.tick = time.Duration(number(content))
		case idDuration:
			ticks = float(content)
		}
		return nil
	})
	if m.tick <= 0 || m.tick > time.Second {
		return fmt.Errorf("%w: ticks of %v", ErrFormat, m.tick)
	}
	if length := ticks * float64(m.tick); length > 0 && length < float64(1<<62) {
		m.length = time.Duration(length)
	}
	return err
}

// readTrack reads a track; one that is neither sound nor picture, as subtitles are, is left out.
func (m *matroska) readTrack(data []byte) error {
	var id, kind uint64
	var codec string
	var private []byte
	err := children(data, func(element uint32, content []byte) error {
		switch element {
		case idTrackNumber:
			id = number(content)
		case idTrackType:
			kind = number(content)
		case idCodec:
			codec = string(content)
		case idCodecPrivate:
			private = content
		case idEncodings:
			return fmt.Errorf("%w: a track is compressed or encrypted", ErrCodec)
		}
		return nil
	})
	if err != nil || kind != 1 && kind != 2 {
		return err
	}
	if _, there := m.byID[id]; there || len(m.list) >= maxTracks {
		return fmt.Errorf("%w: its tracks", ErrFormat)
	}
	t, err := matroskaTrack(codec, private)
	m.byID[id] = len(m.list)
	m.list = append(m.list, t)
	return err
}

func matroskaTrack(codec string, private []byte) (t Track, err error) {
	codecs := map[string]string{
		"V_VP8": VP8, "V_VP9": VP9, "V_AV1": AV1, "V_MPEG4/ISO/AVC": H264, "A_OPUS": Opus,
	}
	t.Codec = codec
	if known, found := codecs[codec]; found {
		t.Codec = known
	}
	if t.Codec == H264 {
		t.Sets, t.unit, err = avcConfig(private)
	}
	return t, err
}

func (m *matroska) readCues(data []byte) error {
	return children(data, func(id uint32, point []byte) error {
		if id != idCuePoint || len(m.cues) >= maxCues {
			return nil
		}
		var c cue
		err := children(point, func(id uint32, content []byte) error {
			switch id {
			case idCueTime:
				c.time = m.time(int64(number(content)))
			case idCuePositions:
				return children(content, func(id uint32, content []byte) error {
					if id == idCueCluster {
						c.cluster = m.segment + int64(number(content))
					}
					return nil
				})
			}
			return nil
		})
		if c.cluster >= m.segment && c.cluster < m.end {
			m.cues = append(m.cues, c)
		}
		return err
	})
}
