package playback

import (
	"encoding/binary"
	"fmt"
)

// avcConfig reads an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 section 5.3.3.1).
func avcConfig(record []byte) (sets [][]byte, unit int, err error) {
	if len(record) < 6 || record[0] != 1 {
		return nil, 0, fmt.Errorf("%w: configuration of H264", ErrFormat)
	}
	unit = int(record[4]&3) + 1
	count := int(record[5] & 31)
	rest := record[6:]
	for range 2 { // sequence, then picture parameter sets
		for range count {
			if len(rest) < 2 {
				return nil, 0, fmt.Errorf("%w: parameter sets of H264", ErrFormat)
			}
			size := int(binary.BigEndian.Uint16(rest))
			if size > len(rest)-2 {
				return nil, 0, fmt.Errorf("%w: parameter sets of H264", ErrFormat)
			}
			if size > 0 {
				sets = append(sets, rest[2:2+size])
			}
			rest = rest[2+size:]
		}
		if count = 0; len(rest) > 0 {
			count, rest = int(rest[0]), rest[1:]
		}
	}
	return sets, unit, nil
}

// fourByteUnits gives the units of a picture lengths of four bytes.
func fourByteUnits(data []byte, unit int) ([]byte, error) {
	out := make([]byte, 0, len(data)+16)
	for len(data) > 0 {
		if len(data) < unit {
			return nil, ErrFormat
		}
		size := 0
		for _, b := range data[:unit] {
			size = size<<8 | int(b)
		}
		if data = data[unit:]; size > len(data) {
			return nil, ErrFormat
		}
		out = append(binary.BigEndian.AppendUint32(out, uint32(size)), data[:size]...)
		data = data[size:]
		if len(out) > maxSampleBytes {
			return nil, ErrFormat // many empty units
		}
	}
	return out, nil
}

// annexB turns lengths into start codes (ITU-T H.264 annex B), with sets ahead of it.
func annexB(data []byte, sets [][]byte) []byte {
	var out []byte
	unit := func(u []byte) { out = append(append(out, 0, 0, 0, 1), u...) }
	for _, set := range sets {
		unit(set)
	}
	for len(data) >= 4 {
		size := int(binary.BigEndian.Uint32(data))
		if size > len(data)-4 {
			break
		}
		unit(data[4 : 4+size])
		data = data[4+size:]
	}
	return out
}
