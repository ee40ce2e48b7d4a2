package playback

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	oggPageHead   = 27
	maxGranule    = 1 << 33 // two days
	maxOpusPacket = 61440   // RFC 7845 section 6: larger ones are not meant
)

// ogg reads Ogg with one stream of Opus (RFC 3533, RFC 7845).
type ogg struct {
	file   *section
	serial uint32
	skip   int64 // ticks at the beginning that are not heard
	length time.Duration
	first  int64 // where the sound begins

	at      int64
	decode  int64 // ticks before the next packet
	partial []byte
	ready   []Sample
}

// oggPage is one page; segments are the sizes in it.
type oggPage struct {
	continued bool
	granule   int64
	serial    uint32
	segments  []byte
	data      int64
	end       int64
}

func openOgg(file *section) (demuxer, error) {
	o := &ogg{file: file}
	p, err := o.page(0)
	if err != nil {
		return nil, fmt.Errorf("%w: no page", ErrFormat)
	}
	head, err := file.take(p.data, p.end-p.data, 1<<16)
	if err != nil {
		return nil, err
	}
	if len(head) < 19 || string(head[:8]) != "OpusHead" {
		return nil, fmt.Errorf("%w: an Ogg file without Opus", ErrCodec)
	}
	o.serial, o.skip, o.at = p.serial, int64(binary.LittleEndian.Uint16(head[10:])), p.end
	if err := o.passTags(); err != nil {
		return nil, err
	}
	o.first = o.at
	o.length = o.lastPage()
	return o, nil
}

// passTags passes over the comments, which end with their page.
func (o *ogg) passTags() error {
	for range maxHops {
		p, err := o.page(o.at)
		if err != nil {
			return fmt.Errorf("%w: nothing is in it", ErrFormat)
		}
		o.at = p.end
		if p.serial == o.serial && len(p.segments) > 0 && p.segments[len(p.segments)-1] < 255 {
			return nil
		}
	}
	return fmt.Errorf("%w: comments without end", ErrFormat)
}

// page reads the head of the page at a place.
func (o *ogg) page(at int64) (oggPage, error) {
	head := make([]byte, oggPageHead)
	if err := o.file.read(head, at); err != nil {
		return oggPage{}, err
	}
	if string(head[:4]) != "OggS" {
		return oggPage{}, fmt.Errorf("%w: no page at %d", ErrFormat, at)
	}
	p := oggPage{
		continued: head[5]&1 != 0, granule: int64(binary.LittleEndian.Uint64(head[6:])),
		serial: binary.LittleEndian.Uint32(head[14:]), segments: make([]byte, head[26]),
	}
	p.data = at + oggPageHead + int64(len(p.segments))
	if err := o.file.read(p.segments, at+oggPageHead); err != nil {
		return oggPage{}, err
	}
	p.end = p.data
	for _, size := range p.segments {
		p.end += int64(size)
	}
	return p, nil
}

func (o *ogg) tracks() []Track         { return []Track{{Codec: Opus}} }
func (o *ogg) duration() time.Duration { return o.length }
func ticks(count int64) time.Duration  { return time.Duration(count) * time.Second / opusClock }

func (o *ogg) next() (Sample, error) {
	for len(o.ready) == 0 {
		p, err := o.page(o.at)
		if errors.Is(err, ErrFormat) {
			err = io.EOF // what is whole has been played
		}
		if err != nil {
			return Sample{}, err
		}
		o.at = p.end
		if p.serial != o.serial {
			continue
		}
		data, err := o.file.take(p.data, p.end-p.data, 1<<16)
		if err != nil {
			return Sample{}, err
		}
		o.split(p, data)
	}
	s := o.ready[0]
	o.ready = o.ready[1:]
	return s, nil
}

// split takes a page apart. The last packet may go on in the next page.
func (o *ogg) split(p oggPage, data []byte) {
	packet := o.partial
	if !p.continued {
		packet = nil
	}
	torn := p.continued && o.partial == nil // its beginning is unknown
	for _, size := range p.segments {
		packet = append(packet, data[:size]...)
		data = data[size:]
		if len(packet) > maxOpusPacket {
			packet, torn = nil, true
		}
		if size == 255 {
			continue
		}
		if !torn && len(packet) > 0 {
			o.ready = append(o.ready, Sample{Time: ticks(max(o.decode-o.skip, 0)), Keyframe: true, Data: packet})
			o.decode += int64(opusLength(packet) * opusClock / time.Second)
		}
		packet, torn = nil, false
	}
	o.partial = packet
}

// lastPage says how long the sound is: the last page counts all before it.
func (o *ogg) lastPage() time.Duration {
	size := min(o.file.size-o.first, 128<<10)
	tail, err := o.file.take(o.file.size-size, size, size)
	if err != nil {
		return 0
	}
	at := bytes.LastIndex(tail, []byte("OggS"))
	if at < 0 {
		return 0
	}
	p, err := o.page(o.file.size - size + int64(at))
	if err != nil || p.granule < o.skip || p.granule > maxGranule {
		return 0
	}
	return ticks(p.granule - o.skip)
}

func (o *ogg) seek(to time.Duration) error {
	o.at, o.decode, o.partial, o.ready = o.first, 0, nil, nil
	for range maxHops {
		p, err := o.page(o.at)
		last := err != nil || p.granule > maxGranule || ticks(p.granule-o.skip) > to
		if last {
			break
		}
		o.at = p.end
		if p.serial == o.serial && p.granule > 0 {
			o.decode = p.granule
		}
	}
	return nil
}
