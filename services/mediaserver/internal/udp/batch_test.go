package udp

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// Whatever is written, grouping keeps every packet once, those of one destination in order, and makes only messages
// that the kernel cuts up into the same packets again.
func TestBatch_GroupsWithoutLossOrReordering(t *testing.T) {
	b := newBatch() // one for all runs: what is left of the one before must not matter
	rapid.Check(t, func(t *rapid.T) {
		b.reset()
		segmented := rapid.Bool().Draw(t, "segmented")
		written := map[netip.AddrPort][]uint32{}
		sizes := rapid.SampledFrom([]int{4, 5, 100, 1200, 9000})
		count := rapid.IntRange(0, 300).Draw(t, "packets")
		for i := range count {
			to := destination(rapid.IntRange(0, 3).Draw(t, "to"))
			p := make([]byte, sizes.Draw(t, "size"))
			binary.BigEndian.PutUint32(p, uint32(i))
			if b.add(p, to) {
				written[to] = append(written[to], uint32(i))
			}
		}
		b.group(segmented)
		got := map[netip.AddrPort][]uint32{}
		for i := range b.messages {
			m := &b.messages[i]
			to := b.packets[m.first].to
			got[to] = append(got[to], checkMessage(t, b, m, segmented)...)
		}
		if len(got) != len(written) {
			t.Fatalf("%d destinations, want %d", len(got), len(written))
		}
		for to, want := range written {
			if !bytes.Equal(numbers(got[to]), numbers(want)) {
				t.Fatalf("%v gets %v, want %v", to, got[to], want)
			}
		}
	})
}

func checkMessage(t *rapid.T, b *batch, m *message, segmented bool) (ids []uint32) {
	total := 0
	for at := m.first; at != none; at = b.packets[at].next {
		p := &b.packets[at]
		payload := p.payload
		if p.to != b.packets[m.first].to || len(payload) > m.size || len(payload) < m.size && at != m.last {
			t.Fatalf("packet %d does not belong into its message", at)
		}
		total += len(payload)
		ids = append(ids, binary.BigEndian.Uint32(payload))
	}
	if len(ids) != m.segments || total != m.bytes || m.segments > maxSegments || !segmented && m.segments != 1 ||
		m.segments > 1 && total > maxMessageBytes {
		t.Fatalf("message of %d segments, %d bytes: %+v", len(ids), total, *m)
	}
	return ids
}

func numbers(ids []uint32) (b []byte) {
	for _, id := range ids {
		b = binary.BigEndian.AppendUint32(b, id)
	}
	return b
}

func destination(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 4000)
}

func TestBatch_AFrameIsOneMessage(t *testing.T) {
	b := newBatch()
	for _, size := range []int{1200, 1200, 1200, 700, 1200} {
		for i := range 3 {
			b.add(make([]byte, size), destination(i))
		}
	}
	b.group(true)
	if len(b.messages) != 6 {
		t.Errorf("%d messages, want two for each of three destinations", len(b.messages))
	}
}

func TestBatch_IsBounded(t *testing.T) {
	b := newBatch()
	for i := range maxPackets {
		if !b.add([]byte{1}, destination(0)) {
			t.Fatalf("packet %d is refused", i)
		}
	}
	if b.add([]byte{1}, destination(0)) {
		t.Error("one packet too many is taken")
	}
	b.reset()
	large := make([]byte, chunkBytes)
	for i := range maxBatchBytes / chunkBytes {
		if !b.add(large, destination(0)) {
			t.Fatalf("large packet %d is refused", i)
		}
	}
	if b.add([]byte{1}, destination(0)) {
		t.Error("one byte too many is taken")
	}
}

// What a jam needed is not kept for ever.
func TestBatch_GivesMemoryBack(t *testing.T) {
	b := newBatch()
	fill := func(packets int) {
		for range packets {
			b.add(make([]byte, 1200), destination(0))
		}
		b.reset()
	}
	fill(5000)
	for range 100 {
		fill(100)
	}
	if n := len(b.chunks); n > 10 {
		t.Errorf("%d chunks are kept", n)
	}
}
