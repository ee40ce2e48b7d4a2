// Package wire reads and writes messages of the MongoDB wire protocol: OP_MSG, and of the legacy ones OP_QUERY, with
// which drivers say their first hello. The server calls it; it knows documents only as bytes and values, no commands.
// Specification: https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/x/mongo/driver/wiremessage"
)

const (
	// MaxMessageBytes bounds a message, as maxMessageSizeBytes of a real server.
	MaxMessageBytes = 48_000_000
	headerBytes     = 16
	// maxDepth of nested documents: the limit of a real server's parser. Decoding is recursive, so it must be bounded.
	maxDepth = 200
	// firstChunkBytes is allocated before anything of a message has been received: a length alone costs no memory.
	firstChunkBytes = 64 << 10
)

// ErrMalformed is wrapped by every error about the bytes themselves; the connection cannot go on after it.
var ErrMalformed = errors.New("malformed message")

// Request is one decoded message: a command with its document sequences already in place as arrays.
type Request struct {
	ID int32
	// Command is the body; its first element names the command.
	Command bson.D
	// Legacy: it came as OP_QUERY and is answered with OP_REPLY.
	Legacy bool
	// Silent: the sender expects no answer (moreToCome, an unacknowledged write).
	Silent bool
}

// Read is the next message of r. It returns io.EOF at a clean end between two messages.
func Read(r io.Reader) (*Request, error) {
	var header [headerBytes]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	length, id, _, opcode, _, _ := wiremessage.ReadHeader(header[:])
	if length < headerBytes || length > MaxMessageBytes {
		return nil, fmt.Errorf("%w: length %d", ErrMalformed, length)
	}
	body, err := readBody(r, int(length)-headerBytes)
	if err != nil {
		return nil, err
	}
	return decode(id, opcode, header[:], body)
}

// readBody grows with what really arrives.
func readBody(r io.Reader, n int) ([]byte, error) {
	body := make([]byte, min(n, firstChunkBytes))
	for filled := 0; ; {
		if _, err := io.ReadFull(r, body[filled:]); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		filled = len(body)
		if filled == n {
			return body, nil
		}
		next := make([]byte, min(n, 2*filled))
		copy(next, body)
		body = next
	}
}

func decode(id int32, opcode wiremessage.OpCode, header, body []byte) (*Request, error) {
	switch opcode {
	case wiremessage.OpMsg:
		return decodeMsg(id, header, body)
	case wiremessage.OpQuery: //nolint:staticcheck // deprecated, and still the first message of every driver
		return decodeQuery(id, body)
	default:
		return nil, fmt.Errorf("%w: opcode %d", ErrMalformed, opcode)
	}
}

// Write sends the reply to a request.
func Write(w io.Writer, to *Request, reply bson.D) error {
	document, err := bson.Marshal(reply)
	if err != nil {
		return fmt.Errorf("encode reply: %w", err)
	}
	buf := make([]byte, 0, headerBytes+20+len(document))
	if to.Legacy {
		_, buf = wiremessage.AppendHeaderStart(buf, to.ID, to.ID, wiremessage.OpReply)
		buf = wiremessage.AppendReplyFlags(buf, wiremessage.AwaitCapable)
		buf = wiremessage.AppendReplyCursorID(buf, 0)
		buf = wiremessage.AppendReplyStartingFrom(buf, 0)
		buf = wiremessage.AppendReplyNumberReturned(buf, 1)
	} else {
		_, buf = wiremessage.AppendHeaderStart(buf, to.ID, to.ID, wiremessage.OpMsg)
		buf = wiremessage.AppendMsgFlags(buf, 0)
		buf = wiremessage.AppendMsgSectionType(buf, wiremessage.SingleDocument)
	}
	buf = append(buf, document...)
	if len(buf) > MaxMessageBytes {
		return fmt.Errorf("reply of %d bytes is larger than a message may be", len(buf))
	}
	binary.LittleEndian.PutUint32(buf, uint32(len(buf)))
	_, err = w.Write(buf)
	return err
}
