package command

import (
	"encoding/binary"
	"encoding/hex"

	"go.mongodb.org/mongo-driver/bson"

	"github.com/orkestro/orkestro/pkg/embeddedmongo/engine"
	"github.com/orkestro/orkestro/pkg/embeddedmongo/fault"
)

// resumeToken is a place in a log of changes. Clients see it as an opaque {_data: hex}.
type resumeToken struct {
	log        [8]byte
	at         engine.Time
	invalidate bool // of an invalidate event, after which only startAfter goes on
}

const tokenBytes = 1 + 8 + 8

func (t resumeToken) document() bson.D {
	data := make([]byte, 1, tokenBytes)
	if t.invalidate {
		data[0] = 1
	}
	data = append(data, t.log[:]...)
	data = binary.BigEndian.AppendUint64(data, uint64(t.at))
	return bson.D{{Key: "_data", Value: hex.EncodeToString(data)}}
}

func parseToken(doc bson.D) (resumeToken, error) {
	var t resumeToken
	text, _ := args(doc).value("_data").(string)
	data, err := hex.DecodeString(text)
	if err != nil || len(data) != tokenBytes {
		return t, fault.New(fault.InvalidResumeToken, "Bad resume token: %v", doc)
	}
	t.invalidate = data[0] == 1
	copy(t.log[:], data[1:])
	t.at = engine.Time(binary.BigEndian.Uint64(data[9:]))
	return t, nil
}
