package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/x/mongo/driver/wiremessage"
)

const checksumBytes = 4

// requiredFlags are the low 16 bits: a receiver must refuse what it does not know among them.
const requiredFlags wiremessage.MsgFlag = 0xffff

func decodeMsg(id int32, header, body []byte) (*Request, error) {
	flags, rest, ok := wiremessage.ReadMsgFlags(body)
	if !ok || flags&requiredFlags&^(wiremessage.ChecksumPresent|wiremessage.MoreToCome) != 0 {
		return nil, fmt.Errorf("%w: flags %b", ErrMalformed, flags)
	}
	if flags&wiremessage.ChecksumPresent != 0 {
		var err error
		if rest, err = verifyChecksum(header, body, rest); err != nil {
			return nil, err
		}
	}
	request := &Request{ID: id, Silent: flags&wiremessage.MoreToCome != 0}
	return request, decodeSections(request, rest)
}

// verifyChecksum is rest without the CRC-32C of the whole message at its end.
func verifyChecksum(header, body, rest []byte) ([]byte, error) {
	if len(rest) < checksumBytes {
		return nil, fmt.Errorf("%w: no checksum", ErrMalformed)
	}
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(crc32.Checksum(header, table), table, body[:len(body)-checksumBytes])
	if sum != binary.LittleEndian.Uint32(body[len(body)-checksumBytes:]) {
		return nil, fmt.Errorf("%w: checksum differs", ErrMalformed)
	}
	return rest[:len(rest)-checksumBytes], nil
}

// decodeSections joins the body section and the document sequences, which may come in any order.
func decodeSections(request *Request, src []byte) error {
	var sequences bson.D
	for len(src) > 0 {
		kind, rest, ok := wiremessage.ReadMsgSectionType(src)
		if !ok {
			return fmt.Errorf("%w: section", ErrMalformed)
		}
		switch kind {
		case wiremessage.SingleDocument:
			doc, after, ok := wiremessage.ReadMsgSectionSingleDocument(rest)
			if !ok || request.Command != nil {
				return fmt.Errorf("%w: body section", ErrMalformed)
			}
			command, err := decodeDocument(doc)
			if err != nil {
				return err
			}
			request.Command, src = command, after
		case wiremessage.DocumentSequence:
			name, docs, after, ok := wiremessage.ReadMsgSectionDocumentSequence(rest)
			if !ok {
				return fmt.Errorf("%w: document sequence", ErrMalformed)
			}
			values := make(bson.A, len(docs))
			for i, doc := range docs {
				value, err := decodeDocument(doc)
				if err != nil {
					return err
				}
				values[i] = value
			}
			sequences, src = append(sequences, bson.E{Key: name, Value: values}), after
		default:
			return fmt.Errorf("%w: section kind %d", ErrMalformed, kind)
		}
	}
	if len(request.Command) == 0 {
		return fmt.Errorf("%w: no command", ErrMalformed)
	}
	request.Command = append(request.Command, sequences...)
	return nil
}

// decodeQuery reads OP_QUERY: flags, namespace, numbers to skip and to return, document. Only commands come this way.
func decodeQuery(id int32, body []byte) (*Request, error) {
	const flagBytes, numberBytes, commands = 4, 8, ".$cmd"
	malformed := fmt.Errorf("%w: query", ErrMalformed)
	if len(body) < flagBytes {
		return nil, malformed
	}
	name, rest, found := bytes.Cut(body[flagBytes:], []byte{0})
	db, isCommand := strings.CutSuffix(string(name), commands)
	if !found || !isCommand || len(rest) < numberBytes {
		return nil, malformed
	}
	query, _, ok := bsoncore.ReadDocument(rest[numberBytes:])
	if !ok {
		return nil, malformed
	}
	command, err := decodeDocument(query)
	if err != nil {
		return nil, err
	}
	if len(command) == 0 {
		return nil, malformed
	}
	return &Request{ID: id, Command: append(command, bson.E{Key: "$db", Value: db}), Legacy: true}, nil
}

func decodeDocument(doc bsoncore.Document) (bson.D, error) {
	if err := checkDepth(doc, maxDepth); err != nil {
		return nil, err
	}
	var value bson.D
	if err := bson.Unmarshal(doc, &value); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return value, nil
}

// checkDepth refuses documents nested so deeply that decoding them would exhaust the stack: nothing recovers from that.
func checkDepth(doc bsoncore.Document, left int) error {
	if left == 0 {
		return fmt.Errorf("%w: more than %d nested documents", ErrMalformed, maxDepth)
	}
	_, rest, ok := bsoncore.ReadLength(doc)
	for ok && len(rest) > 1 {
		var element bsoncore.Element
		element, rest, ok = bsoncore.ReadElement(rest)
		if !ok {
			break // what is not well-formed is for the decoder to say
		}
		if nested := nestedDocument(element); nested != nil {
			if err := checkDepth(nested, left-1); err != nil {
				return err
			}
		}
	}
	return nil
}

// nestedDocument is the document in an element, which may also be an array or the scope of JavaScript; or nil.
func nestedDocument(element bsoncore.Element) bsoncore.Document {
	value, err := element.ValueErr()
	if err != nil {
		return nil
	}
	if array, ok := value.ArrayOK(); ok {
		return bsoncore.Document(array)
	}
	if _, scope, ok := value.CodeWithScopeOK(); ok {
		return scope
	}
	nested, _ := value.DocumentOK()
	return nested
}
