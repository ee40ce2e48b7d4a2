package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/orkestro/orkestro/pkg/control"
)

// Head is where a chain ends, or ended once; the zero value is that of an empty one. Whoever notes it outside of the
// fleet can tell later whether entries were cut off or all of them written anew.
type Head struct {
	Seq  int64
	Hash string
}

// HeadAt is the head of a chain whose last entry this is.
func HeadAt(e control.AuditEntry) Head { return Head{Seq: e.Seq, Hash: e.Hash} }

// String is "SEQ:HASH".
func (h Head) String() string { return strconv.FormatInt(h.Seq, 10) + ":" + h.Hash }

// ParseHead reads what String wrote, of a chain that is not empty.
func ParseHead(text string) (Head, error) {
	seq, hash, _ := strings.Cut(text, ":")
	number, err := strconv.ParseInt(seq, 10, 64)
	if raw, bad := hex.DecodeString(hash); err != nil || bad != nil || number < 1 || len(raw) != sha256.Size {
		return Head{}, fmt.Errorf("a head is SEQ:HASH, as 'orkestro audit verify' prints it, not %q", text)
	}
	return Head{Seq: number, Hash: strings.ToLower(hash)}, nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (h *Head) UnmarshalText(text []byte) (err error) {
	*h, err = ParseHead(string(text))
	return err
}
