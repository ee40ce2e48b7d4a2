package playback

import (
	"encoding/binary"
	"fmt"
)

// box is a box of the file, where it begins, and its content.
type box struct {
	kind           string
	at, start, end int64
}

// boxes calls visit for each box in data (ISO/IEC 14496-12 section 4.2).
func boxes(data []byte, visit func(kind string, content []byte) error) error {
	for len(data) >= 8 {
		size, head := uint64(binary.BigEndian.Uint32(data)), uint64(8)
		switch {
		case size == 0:
			size = uint64(len(data))
		case size == 1 && len(data) >= 16:
			size, head = binary.BigEndian.Uint64(data[8:]), 16
		}
		if size < head || size > uint64(len(data)) {
			return fmt.Errorf("%w: a box ends beyond its parent", ErrFormat)
		}
		if err := visit(string(data[4:8]), data[head:size]); err != nil {
			return err
		}
		data = data[size:]
	}
	return nil
}

// fields reads numbers from the beginning of a box. What is not there is 0.
type fields struct{ data []byte }

func (f *fields) bytes(count int) []byte {
	count = min(count, len(f.data))
	taken := f.data[:count]
	f.data = f.data[count:]
	return taken
}

func (f *fields) u32() uint32 {
	b := f.bytes(4)
	if len(b) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(b)
}

// wide is a number of 64 bits in version 1 of a box, of 32 else.
func (f *fields) wide(version byte) int64 {
	value := uint64(f.u32())
	if version == 1 {
		value = value<<32 | uint64(f.u32())
	}
	return int64(min(value, 1<<62))
}

// full reads what a full box begins with.
func (f *fields) full() (version byte, flags uint32) {
	word := f.u32()
	return byte(word >> 24), word & 0xFFFFFF
}

// table is a list of entries of equal size, each some numbers of 32 bits.
type table struct {
	data  []byte
	width int // bytes of an entry
}

// newTable reads a full box that is a list: a count, then the entries. What is beyond the box does not count.
func newTable(content []byte, width int) table {
	f := fields{content}
	f.full()
	count := uint64(f.u32())
	count = min(count, uint64(len(f.data)/width))
	return table{f.data[:count*uint64(width)], width}
}

func (t table) len() int {
	if t.width == 0 {
		return 0
	}
	return len(t.data) / t.width
}

func (t table) at(entry, field int) uint32 {
	return binary.BigEndian.Uint32(t.data[entry*t.width+4*field:])
}
