package payload

// bits reads a field of bits, highest first. Past the end it reads zeros and remembers it.
type bits struct {
	data   []byte
	at     int  // in bits
	short  bool // something was missing
	escape bool // leave out the emulation prevention bytes of H264 (ITU-T H.264 section 7.4.1)
	zeros  int  // zero bytes in a row before the present one
}

func (b *bits) bit() uint32 {
	index := b.at / 8
	if b.escape && b.at%8 == 0 {
		index = b.skipEscape(index)
	}
	if index >= len(b.data) {
		b.short = true
		return 0
	}
	value := b.data[index] >> (7 - b.at%8) & 1
	b.at++
	return uint32(value)
}

// skipEscape is called at the beginning of a byte: two zero bytes are followed by a three that is none of the field.
func (b *bits) skipEscape(index int) int {
	if index >= len(b.data) {
		return index
	}
	if b.zeros == 2 && b.data[index] == 3 {
		b.at += 8
		b.zeros = 0
		index++
	}
	if index < len(b.data) && b.data[index] == 0 {
		b.zeros++
	} else {
		b.zeros = 0
	}
	return index
}

func (b *bits) flag() bool { return b.bit() == 1 }

// read takes up to 32 bits.
func (b *bits) read(count int) uint32 {
	var value uint32
	for range count {
		value = value<<1 | b.bit()
	}
	return value
}

// nonSymmetric is ns(n) of AV1: a value below n, which is at least 1.
func (b *bits) nonSymmetric(n uint32) uint32 {
	width := 0
	for x := n; x != 0; x >>= 1 {
		width++
	}
	short := uint32(1)<<width - n
	value := b.read(width - 1)
	if value < short {
		return value
	}
	return value<<1 - short + b.bit()
}

// golomb is ue(v) of H264 (section 9.1). Longer ones than 32 bits are none.
func (b *bits) golomb() uint32 {
	zeros := 0
	for b.bit() == 0 {
		if zeros++; zeros > 31 || b.short {
			b.short = true
			return 0
		}
	}
	return 1<<zeros - 1 + b.read(zeros)
}

// signedGolomb is se(v) of H264 (section 9.1.1).
func (b *bits) signedGolomb() int32 {
	value := b.golomb()
	if value&1 == 0 {
		return -int32(value / 2)
	}
	return int32(value/2) + 1
}
