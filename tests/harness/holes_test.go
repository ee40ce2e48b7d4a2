package harness

import (
	"encoding/binary"
	"testing"
)

func TestHoles(t *testing.T) {
	for name, c := range map[string]struct {
		numbers []uint16
		want    int
	}{
		"nothing came":      {nil, 0},
		"whole":             {[]uint16{7, 8, 9}, 0},
		"whole, wrapped":    {[]uint16{65534, 65535, 0, 1}, 0},
		"one is missing":    {[]uint16{7, 9, 10}, 1},
		"around the end":    {[]uint16{65534, 2}, 3},
		"late":              {[]uint16{7, 9, 8, 10}, 0},
		"one late, one not": {[]uint16{7, 10, 8}, 1},
		"twice":             {[]uint16{7, 7, 8}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var h holes
			track := h.track()
			h.track().add(packet(100)) // one track does not disturb another
			for _, number := range c.numbers {
				track.add(packet(number))
			}
			if got := h.missing(); got != c.want {
				t.Errorf("%d are missing, want %d", got, c.want)
			}
		})
	}
}

func packet(number uint16) []byte {
	header := make([]byte, 12)
	binary.BigEndian.PutUint16(header[2:], number)
	return header
}
