package journal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"os"
)

const (
	frameBytes      = 8       // length and checksum before each record
	keptBufferBytes = 1 << 20 // a larger write buffer is not kept
)

// errTorn is a record that is not there as a whole, or not as it was written.
var errTorn = errors.New("journal: torn record")

func appendFrame(buffer, payload []byte) []byte {
	buffer = binary.LittleEndian.AppendUint32(buffer, uint32(len(payload)))
	buffer = binary.LittleEndian.AppendUint32(buffer, checksum(payload))
	return append(buffer, payload...)
}

func checksum(payload []byte) uint32 {
	return crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli))
}

// readFile visits the records of a file and returns its length. With repair set, a torn record ends the file: it, and
// what follows, is cut off. Otherwise it is an error.
func readFile(path string, repair bool, visit func([]byte) error) (int64, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0o600) //nolint:gosec // a name of our own in a directory that was given
	if err != nil {
		return 0, fmt.Errorf("journal: %w", err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return 0, fmt.Errorf("journal: %w", err)
	}
	reader := bufio.NewReaderSize(file, keptBufferBytes)
	for offset := int64(0); ; {
		payload, err := readFrame(reader, info.Size()-offset)
		switch {
		case errors.Is(err, io.EOF):
			return offset, nil
		case errors.Is(err, errTorn) && repair:
			return offset, cut(file, offset)
		case err != nil:
			return 0, fmt.Errorf("%s at %d: %w", path, offset, err)
		}
		if err := visit(payload); err != nil {
			return 0, fmt.Errorf("%s at %d: %w", path, offset, err)
		}
		offset += frameBytes + int64(len(payload))
	}
}

// readFrame is the next record; io.EOF at a clean end.
func readFrame(r io.Reader, left int64) ([]byte, error) {
	if left == 0 {
		return nil, io.EOF
	}
	var frame [frameBytes]byte
	if _, err := io.ReadFull(r, frame[:]); err != nil {
		return nil, errTorn
	}
	length := int64(binary.LittleEndian.Uint32(frame[:]))
	if length > left-frameBytes {
		return nil, errTorn
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(r, payload); err != nil {
		return nil, errTorn
	}
	if checksum(payload) != binary.LittleEndian.Uint32(frame[4:]) {
		return nil, errTorn
	}
	return payload, nil
}

func cut(file *os.File, size int64) error {
	if err := file.Truncate(size); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return file.Sync()
}

func writeSnapshot(path string, records iter.Seq2[[]byte, error]) (err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) //nolint:gosec // as above
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	out := bufio.NewWriterSize(file, keptBufferBytes)
	var buffer []byte
	for payload, err := range records {
		if err != nil {
			return err
		}
		buffer = appendFrame(buffer[:0], payload)
		if _, err := out.Write(buffer); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return file.Sync()
}

// syncDir makes new and renamed files durable.
func syncDir(path string) error {
	dir, err := os.Open(path) //nolint:gosec // as above
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	defer func() { _ = dir.Close() }()
	if err := dir.Sync(); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}
