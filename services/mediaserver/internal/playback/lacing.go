package playback

// laces are the frames in the data of a block (RFC 9559 section 10.3); none when it is broken.
func laces(data []byte, mode byte) [][]byte {
	if mode == 0 {
		return [][]byte{data}
	}
	if len(data) == 0 {
		return nil
	}
	count := int(data[0]) + 1
	data = data[1:]
	var sizes []int
	switch mode {
	case 1:
		sizes, data = xiphSizes(data, count-1)
	case 2:
		for range count - 1 {
			sizes = append(sizes, len(data)/count)
		}
	default:
		sizes, data = ebmlSizes(data, count-1)
	}
	if len(sizes) != count-1 {
		return nil
	}
	frames := make([][]byte, 0, count)
	for _, size := range sizes {
		if size < 0 || size > len(data) {
			return nil
		}
		frames = append(frames, data[:size])
		data = data[size:]
	}
	return append(frames, data)
}

func xiphSizes(data []byte, count int) (sizes []int, rest []byte) {
	for size := 0; len(sizes) < count && len(data) > 0; data = data[1:] {
		size += int(data[0])
		if data[0] != 255 {
			sizes, size = append(sizes, size), 0
		}
	}
	return sizes, data
}

// ebmlSizes reads a size and then the differences from one to the next.
func ebmlSizes(data []byte, count int) (sizes []int, rest []byte) {
	size := int64(0)
	for i := range count {
		value, n := vint(data, false)
		if n == 0 {
			return nil, nil
		}
		if i == 0 {
			size = int64(value)
		} else {
			size += int64(value) - (1<<(7*n-1) - 1)
		}
		if size < 0 || size > maxSampleBytes {
			return nil, nil
		}
		sizes, data = append(sizes, int(size)), data[n:]
	}
	return sizes, data
}
