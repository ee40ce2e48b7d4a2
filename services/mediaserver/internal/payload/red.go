package payload

// maxREDBlocks is how many blocks of a packet are read: chosen, browsers send two or three.
const maxREDBlocks = 8

// RED is a packet of redundant audio (RFC 2198): earlier blocks again, and the packet's own, the primary one, last.
type RED struct {
	Blocks [maxREDBlocks]REDBlock
	Count  int // of Blocks, at least 1
}

// REDBlock is one encoded frame; Data is a part of the payload that it was read from.
type REDBlock struct {
	PayloadType uint8
	Offset      uint16 // how much earlier than the packet's timestamp it begins, in ticks; 0 for the primary block
	Data        []byte
}

// Primary is the block that the packet was sent for.
func (r RED) Primary() REDBlock { return r.Blocks[r.Count-1] }

// ParseRED reads a payload; ok is false when it is cut short or has too many blocks.
func ParseRED(payload []byte) (r RED, ok bool) {
	var sizes [maxREDBlocks]int
	c := cursor{data: payload}
	for r.Count < maxREDBlocks {
		first := c.byte()
		block := &r.Blocks[r.Count]
		block.PayloadType = first & 0x7f
		r.Count++
		if first&0x80 == 0 {
			if c.short || !r.divide(payload[c.at:], &sizes) {
				return RED{}, false
			}
			return r, true
		}
		high := c.byte()
		rest := c.uint16()
		block.Offset = uint16(high)<<6 | rest>>10
		sizes[r.Count-1] = int(rest & 0x3ff)
	}
	return RED{}, false
}

// divide gives each block its part of data, the primary one what is left.
func (r *RED) divide(data []byte, sizes *[maxREDBlocks]int) bool {
	for i := range r.Count - 1 {
		if sizes[i] > len(data) {
			return false
		}
		r.Blocks[i].Data, data = data[:sizes[i]], data[sizes[i]:]
	}
	r.Blocks[r.Count-1].Data = data
	return true
}
