package udp

import (
	"net/netip"
)

// Bounds of what waits to be sent by one socket. Chosen: half a second of one video for 100 receivers. So much only
// waits while the kernel takes nothing or the process gets no processor, and later media is of no use.
const (
	maxPackets    = 8192
	maxBatchBytes = 8 << 20
	chunkBytes    = 64 << 10 // memory is taken and given back by
	keptChunks    = 4        // and not below
)

// Bounds of one message of several segments.
const (
	maxSegments     = 64              // UDP_MAX_SEGMENTS of the first kernels that have it
	maxMessageBytes = 65_535 - 40 - 8 // what an IP packet takes, less the larger IP header and the UDP header
	none            = int32(-1)       // no packet, no message
)

// batch is packets in the order in which they were written, and how they are grouped into messages. It is owned by one
// goroutine at a time and reused, so that it allocates only while it grows.
type batch struct {
	chunks   [][]byte // the payloads, one after another
	at       int      // the chunk that is being filled
	bytes    int
	packets  []packet
	messages []message
	open     map[netip.AddrPort]int32 // the last message to a destination
	usual    int                      // chunks that batches have had lately, at most
}

// packet is one datagram.
type packet struct {
	to      netip.AddrPort
	payload []byte
	next    int32 // the following packet of the same message
}

// message is one or more packets to one destination: all of them as large as the first, but for the last one, which may
// be smaller.
type message struct {
	first, last int32 // packets
	segments    int
	size        int // bytes of the first packet
	bytes       int
}

func newBatch() *batch { return &batch{open: map[netip.AddrPort]int32{}} }

// add copies a packet; it reports false, and has done nothing, when the batch is full.
func (b *batch) add(p []byte, to netip.AddrPort) bool {
	if len(b.packets) == maxPackets || b.bytes+len(p) > maxBatchBytes || len(p) > chunkBytes {
		return false
	}
	b.bytes += len(p)
	b.packets = append(b.packets, packet{to: to, payload: b.keep(p), next: none})
	return true
}

// keep copies a payload.
func (b *batch) keep(p []byte) []byte {
	for ; b.at < len(b.chunks); b.at++ {
		if c := b.chunks[b.at]; len(c)+len(p) <= cap(c) {
			b.chunks[b.at] = append(c, p...)
			return b.chunks[b.at][len(c):]
		}
	}
	b.chunks = append(b.chunks, append(make([]byte, 0, chunkBytes), p...))
	return b.chunks[b.at]
}

// group makes messages of the packets. Messages to one destination hold its packets in order, and are in order.
func (b *batch) group(segmented bool) {
	b.messages = b.messages[:0]
	clear(b.open)
	for i := range b.packets {
		if !segmented || !b.extend(int32(i)) {
			b.begin(int32(i))
		}
	}
}

// extend puts packet i into the last message to its destination, if it fits.
func (b *batch) extend(i int32) bool {
	p := &b.packets[i]
	at, found := b.open[p.to]
	if !found {
		return false
	}
	m, size := &b.messages[at], len(p.payload)
	last := &b.packets[m.last]
	if size > m.size || size == 0 || len(last.payload) < m.size || m.segments == maxSegments ||
		m.bytes+size > maxMessageBytes {
		return false
	}
	last.next = i
	m.last = i
	m.segments++
	m.bytes += size
	return true
}

func (b *batch) begin(i int32) {
	p := &b.packets[i]
	size := len(p.payload)
	b.open[p.to] = int32(len(b.messages))
	b.messages = append(b.messages, message{first: i, last: i, segments: 1, size: size, bytes: size})
}

// reset empties the batch. Memory that a jam needed is given back in time.
func (b *batch) reset() {
	b.usual = max(b.at+1, b.usual-1)
	if kept := b.usual + keptChunks; len(b.chunks) > kept {
		clear(b.chunks[kept:])
		b.chunks = b.chunks[:kept]
	}
	for i := range b.chunks {
		b.chunks[i] = b.chunks[i][:0]
	}
	clear(b.packets)
	b.at, b.bytes, b.packets, b.messages = 0, 0, b.packets[:0], b.messages[:0]
}
