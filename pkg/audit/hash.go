// Package audit chains the entries of the audit by hash, and finds where a chain was tampered with. The store links
// entries when it appends them, the operator's command verifies them. It knows neither where entries are kept nor how
// they are read.
//
// The hash of an entry is the SHA-256, in lower-case hexadecimal, of these texts one after the other, each in UTF-8 and
// behind its length in bytes as a 4-byte big-endian number:
//
//	"orkestro-audit-1"
//	seq                 in decimal
//	previous            the hash of the entry before, "" of the first
//	id
//	time                milliseconds since 1970 UTC, in decimal
//	actor, action, object, reason, result
//
// So whoever can read the entries can check them with any tool.
package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"

	"github.com/orkestro/orkestro/pkg/control"
)

// format names what a hash is made of, and is part of it.
const format = "orkestro-audit-1"

// Hash is the hash of an entry, of which the field Hash itself is no part.
func Hash(e control.AuditEntry) string {
	sum := sha256.New()
	for _, text := range []string{
		format, strconv.FormatInt(e.Seq, 10), e.Previous, e.ID, strconv.FormatInt(e.Time.UnixMilli(), 10),
		e.Actor, e.Action, e.Object, e.Reason, e.Result,
	} {
		var length [4]byte
		binary.BigEndian.PutUint32(length[:], uint32(len(text)))
		_, _ = sum.Write(length[:]) // never fails (hash.Hash)
		_, _ = sum.Write([]byte(text))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// After is an entry as the one that follows head in the chain.
func After(head Head, e control.AuditEntry) control.AuditEntry {
	e.Seq, e.Previous = head.Seq+1, head.Hash
	e.Hash = Hash(e)
	return e
}
