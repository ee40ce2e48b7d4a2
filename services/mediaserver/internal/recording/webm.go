package recording

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/at-wat/ebml-go"
	"github.com/at-wat/ebml-go/webm"
)

// webmMuxer writes WebM, or Matroska for codecs that WebM does not have. A fragment is a cluster of known size. The
// segment's own size, its duration and its index are not known while it is written (RFC 9559 section 5.1: unknown
// size); room is left for them and filled at the end.
type webmMuxer struct {
	out     output
	docType string

	video      int   // index of the video track, -1: none
	segment    int64 // where the content of the segment begins, with room for a seek head
	durationAt int64
	tracksAt   int64
	written    int64
	cues       []webm.CuePoint
	lastTime   time.Duration // of the latest sample
	lastLength time.Duration // between the two latest samples of one track
	lastOf     []time.Duration
}

const (
	webmTick = time.Millisecond // of every time in the file: what players expect
	// cuePeriod is the least time between two entries of the index: chosen; a day of recording has an index of 0.4 MB.
	cuePeriod = 5 * time.Second
	// seekHeadBytes is room for a seek head of three entries.
	seekHeadBytes = 96
	// durationBytes is the size of the element Duration: an id of 2, a length of 1, a float of 8.
	durationBytes = 11
	sizeBytes     = 8 // of a segment's unknown size
)

func webmIDs() (info, tracks, cues []byte) {
	return []byte{0x15, 0x49, 0xA9, 0x66}, []byte{0x16, 0x54, 0xAE, 0x6B}, []byte{0x1C, 0x53, 0xBB, 0x6B}
}

func newWebM(out output, docType string) *webmMuxer {
	return &webmMuxer{out: out, docType: docType, video: -1}
}

// reservedInfo is the element Info with room for a duration.
type reservedInfo struct {
	TimecodeScale uint64 `ebml:"TimecodeScale"`
	MuxingApp     string `ebml:"MuxingApp"`
	WritingApp    string `ebml:"WritingApp"`
	Void          []byte `ebml:"Void"`
}

func (m *webmMuxer) begin(tracks []Track) error {
	var entries []webm.TrackEntry
	for i, t := range tracks {
		entry, err := webmTrack(t, i)
		if err != nil {
			return err
		}
		if t.Video() {
			m.video = i
		}
		entries = append(entries, entry)
	}
	m.lastOf = make([]time.Duration, len(tracks))
	var b bytes.Buffer
	if err := m.head(&b); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	m.tracksAt = int64(b.Len())
	err := ebml.Marshal(&struct {
		Tracks webm.Tracks `ebml:"Tracks"`
	}{webm.Tracks{TrackEntry: entries}}, &b)
	if err != nil {
		return fmt.Errorf("tracks: %w", err)
	}
	return m.write(b.Bytes())
}

// head writes what comes before the tracks, and notes where room is left.
func (m *webmMuxer) head(b *bytes.Buffer) error {
	err := ebml.Marshal(&struct {
		Header webm.EBMLHeader `ebml:"EBML"`
	}{webm.EBMLHeader{
		EBMLVersion: 1, EBMLReadVersion: 1, EBMLMaxIDLength: 4, EBMLMaxSizeLength: 8,
		DocType: m.docType, DocTypeVersion: 4, DocTypeReadVersion: 2,
	}}, b)
	if err != nil {
		return err
	}
	b.Write([]byte{0x18, 0x53, 0x80, 0x67, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}) // Segment, unknown size
	m.segment = int64(b.Len())
	b.Write(void(seekHeadBytes))
	err = ebml.Marshal(&struct {
		Info reservedInfo `ebml:"Info"`
	}{reservedInfo{
		TimecodeScale: uint64(webmTick), MuxingApp: "orkestro", WritingApp: "orkestro", Void: make([]byte, durationBytes-2),
	}}, b)
	m.durationAt = int64(b.Len() - durationBytes)
	return err
}

// void is an element of size bytes that means nothing, 2 to 128.
func void(size int) []byte {
	element := make([]byte, size)
	element[0], element[1] = 0xEC, 0x80|byte(size-2)
	return element
}

// webmTrack is a track as Matroska's codec mappings have it.
func webmTrack(t Track, index int) (webm.TrackEntry, error) {
	entry := webm.TrackEntry{TrackNumber: uint64(index + 1), TrackUID: uint64(index + 1), TrackType: 1}
	if t.Video() {
		entry.Video = &webm.Video{PixelWidth: uint64(t.Width), PixelHeight: uint64(t.Height)}
	} else {
		entry.TrackType = 2
		entry.Audio = &webm.Audio{SamplingFrequency: 48000, Channels: uint64(t.Channels)}
	}
	switch t.Codec {
	case VP8:
		entry.CodecID = "V_VP8"
	case VP9:
		entry.CodecID = "V_VP9"
	case AV1:
		entry.CodecID = "V_AV1"
		entry.CodecPrivate = av1Record(t)
	case H264:
		entry.CodecID = "V_MPEG4/ISO/AVC"
		entry.CodecPrivate = h264Record(t)
	case Opus:
		entry.CodecID = "A_OPUS"
		entry.CodecPrivate = opusHead(t)
	default:
		return entry, fmt.Errorf("%w: %s", ErrCodec, t.Codec)
	}
	return entry, nil
}

// opusHead is the identification header of RFC 7845 section 5.1. Nothing is skipped at the beginning: a recording
// begins in mid-stream.
func opusHead(t Track) []byte {
	head := append([]byte("OpusHead"), 1, byte(t.Channels), 0, 0)
	head = binary.LittleEndian.AppendUint32(head, 48000)
	return append(head, 0, 0, 0)
}

func (m *webmMuxer) fragment(samples []Sample) error {
	start := samples[0].Time.Truncate(webmTick)
	cluster := webm.Cluster{Timecode: uint64(start / webmTick)}
	at := m.written
	for _, s := range samples {
		cluster.SimpleBlock = append(cluster.SimpleBlock, ebml.Block{
			TrackNumber: uint64(s.Track + 1), Timecode: int16((s.Time - start) / webmTick), Keyframe: s.Keyframe,
			Data: [][]byte{s.Data},
		})
		m.note(s, at)
	}
	var b bytes.Buffer
	err := ebml.Marshal(&struct {
		Cluster webm.Cluster `ebml:"Cluster"`
	}{cluster}, &b)
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	return m.write(b.Bytes())
}

// note keeps what the end needs to know of a sample in the cluster at a position.
func (m *webmMuxer) note(s Sample, cluster int64) {
	if length := s.Time - m.lastOf[s.Track]; length > 0 {
		m.lastLength = length
	}
	m.lastOf[s.Track] = s.Time
	m.lastTime = max(m.lastTime, s.Time)
	indexed := s.Keyframe && (m.video < 0 || s.Track == m.video)
	now := uint64(s.Time / webmTick)
	if !indexed || (len(m.cues) > 0 && now < m.cues[len(m.cues)-1].CueTime+uint64(cuePeriod/webmTick)) {
		return
	}
	m.cues = append(m.cues, webm.CuePoint{CueTime: now, CueTrackPositions: []webm.CueTrackPosition{{
		CueTrack: uint64(s.Track + 1), CueClusterPosition: uint64(cluster - m.segment),
	}}})
}

// end writes the index, then what was left open, the size last.
func (m *webmMuxer) end() error {
	cuesAt := m.written
	var b bytes.Buffer
	err := ebml.Marshal(&struct {
		Cues webm.Cues `ebml:"Cues"`
	}{webm.Cues{CuePoint: m.cues}}, &b)
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	if len(m.cues) > 0 {
		if err := m.write(b.Bytes()); err != nil {
			return err
		}
	}
	head, err := m.seekHead(cuesAt)
	if err != nil {
		return err
	}
	duration := binary.BigEndian.AppendUint64([]byte{0x44, 0x89, 0x88},
		math.Float64bits(float64((m.lastTime+m.lastLength)/webmTick)))
	size := binary.BigEndian.AppendUint64(nil, 1<<56|uint64(m.written-m.segment))
	for _, patch := range []struct {
		at   int64
		data []byte
	}{{m.segment, head}, {m.durationAt, duration}, {m.segment - sizeBytes, size}} {
		if _, err := m.out.WriteAt(patch.data, patch.at); err != nil {
			return err
		}
	}
	return nil
}

func (m *webmMuxer) seekHead(cuesAt int64) ([]byte, error) {
	info, tracks, cues := webmIDs()
	seeks := []webm.Seek{
		{SeekID: info, SeekPosition: seekHeadBytes},
		{SeekID: tracks, SeekPosition: uint64(m.tracksAt - m.segment)},
	}
	if len(m.cues) > 0 {
		seeks = append(seeks, webm.Seek{SeekID: cues, SeekPosition: uint64(cuesAt - m.segment)})
	}
	var b bytes.Buffer
	err := ebml.Marshal(&struct {
		SeekHead webm.SeekHead `ebml:"SeekHead"`
	}{webm.SeekHead{Seek: seeks}}, &b)
	if err != nil {
		return nil, fmt.Errorf("seek head: %w", err)
	}
	return slices.Concat(b.Bytes(), void(seekHeadBytes-b.Len())), nil
}

func (m *webmMuxer) write(data []byte) error {
	n, err := m.out.Write(data)
	m.written += int64(n)
	return err
}
