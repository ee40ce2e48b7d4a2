package playback

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

// Ids of the elements of Matroska that are read (RFC 9559), with their length marker.
const (
	idSegment      = 0x18538067
	idInfo         = 0x1549A966
	idTickLength   = 0x2AD7B1
	idDuration     = 0x4489
	idTracks       = 0x1654AE6B
	idTrackEntry   = 0xAE
	idTrackNumber  = 0xD7
	idTrackType    = 0x83
	idCodec        = 0x86
	idCodecPrivate = 0x63A2
	idEncodings    = 0x6D80
	idCluster      = 0x1F43B675
	idTimestamp    = 0xE7
	idSimpleBlock  = 0xA3
	idBlockGroup   = 0xA0
	idBlock        = 0xA1
	idReference    = 0xFB
	idCues         = 0x1C53BB6B
	idCuePoint     = 0xBB
	idCueTime      = 0xB3
	idCuePositions = 0xB7
	idCueTrack     = 0xF7
	idCueCluster   = 0xF1
)

const unknownSize = -1

// vint reads a variable size integer (RFC 8794 section 4) of at most 8 bytes; n is 0 when there is none. With marker
// its first bit stays, as ids have it.
func vint(data []byte, marker bool) (value uint64, n int) {
	if len(data) == 0 || data[0] == 0 {
		return 0, 0
	}
	n = bits.LeadingZeros8(data[0]) + 1
	if n > len(data) {
		return 0, 0
	}
	for _, b := range data[:n] {
		value = value<<8 | uint64(b)
	}
	if !marker {
		value &= 1<<(7*n) - 1
	}
	return value, n
}

// element reads the head of an element: its id, the size of its content ([unknownSize] for all ones), and its own size,
// which is 0 when there is no element.
func element(data []byte) (id uint32, size int64, head int) {
	wide, n := vint(data, true)
	if n == 0 || n > 4 {
		return 0, 0, 0
	}
	length, m := vint(data[n:], false)
	if m == 0 {
		return 0, 0, 0
	}
	size = int64(length)
	if length == 1<<(7*m)-1 {
		size = unknownSize
	}
	return uint32(wide), size, n + m
}

// children calls visit for each element in data.
func children(data []byte, visit func(id uint32, content []byte) error) error {
	for len(data) > 0 {
		id, size, head := element(data)
		if head == 0 || size == unknownSize || size > int64(len(data)-head) {
			return fmt.Errorf("%w: an element ends beyond its parent", ErrFormat)
		}
		end := head + int(size)
		if err := visit(id, data[head:end]); err != nil {
			return err
		}
		data = data[end:]
	}
	return nil
}

// number is the content of an element as an unsigned integer.
func number(content []byte) uint64 {
	var value uint64
	for _, b := range content {
		value = value<<8 | uint64(b)
	}
	return value
}

// float is the content of an element as a floating point number.
func float(content []byte) float64 {
	switch len(content) {
	case 4:
		return float64(math.Float32frombits(binary.BigEndian.Uint32(content)))
	case 8:
		return math.Float64frombits(binary.BigEndian.Uint64(content))
	default:
		return 0
	}
}
