package payload_test

import (
	"bytes"
	"testing"

	"github.com/orkestro/orkestro/services/mediaserver/internal/payload"
)

func TestParseRED(t *testing.T) {
	// Two earlier frames, 1920 and 960 ticks before, as Chromium packs Opus.
	packet := []byte{
		0xef, 0x1e, 0x00, 0x03, 0xef, 0x0f, 0x00, 0x02, 0x6f,
		1, 2, 3, 4, 5, 6, 7, 8, 9,
	}
	red, ok := payload.ParseRED(packet)
	if !ok || red.Count != 3 {
		t.Fatalf("%d blocks, %v", red.Count, ok)
	}
	for i, want := range []payload.REDBlock{
		{PayloadType: 111, Offset: 1920, Data: []byte{1, 2, 3}},
		{PayloadType: 111, Offset: 960, Data: []byte{4, 5}},
		{PayloadType: 111, Data: []byte{6, 7, 8, 9}},
	} {
		got := red.Blocks[i]
		if got.PayloadType != want.PayloadType || got.Offset != want.Offset || !bytes.Equal(got.Data, want.Data) {
			t.Errorf("block %d: %+v, want %+v", i, got, want)
		}
	}
	if !bytes.Equal(red.Primary().Data, []byte{6, 7, 8, 9}) {
		t.Errorf("primary block %v", red.Primary())
	}
	for cut := range 14 {
		if red, ok := payload.ParseRED(packet[:cut]); ok {
			t.Errorf("cut after %d bytes: %+v", cut, red)
		}
	}
}

func TestParseRED_OnlyPrimary(t *testing.T) {
	red, ok := payload.ParseRED([]byte{111, 9, 8})
	if !ok || red.Count != 1 || !bytes.Equal(red.Primary().Data, []byte{9, 8}) {
		t.Errorf("%+v, %v", red, ok)
	}
}

func TestParseRED_TooManyBlocks(t *testing.T) {
	packet := append(bytes.Repeat([]byte{0xef, 0, 0, 0}, 8), 0x6f, 1)
	if red, ok := payload.ParseRED(packet); ok {
		t.Errorf("%d blocks", red.Count)
	}
}

func FuzzParseRED(f *testing.F) {
	f.Add([]byte{0xef, 0x1e, 0x00, 0x03, 0xef, 0x0f, 0x00, 0x02, 0x6f, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte{111, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		red, ok := payload.ParseRED(data)
		if !ok {
			return
		}
		size := 4*(red.Count-1) + 1
		for _, block := range red.Blocks[:red.Count] {
			size += len(block.Data)
		}
		if size != len(data) {
			t.Fatalf("%d bytes in blocks and headers, %d in the packet", size, len(data))
		}
	})
}
