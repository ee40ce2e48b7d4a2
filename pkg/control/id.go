package control

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
)

// SessionID names a session: chosen by the caller, or a UUIDv7.
type SessionID string

// UserID names a user within its session: chosen by the caller, or a UUIDv7.
type UserID string

// StreamID names what one user publishes; unique within the session, see [StreamIDFor].
type StreamID string

// MediaServerID names a media server for as long as its operator keeps the name, over restarts.
type MediaServerID string

// InstanceID names one life of a media server process.
type InstanceID string

// JoinID names one presence of a user: the id of the join or rejoin request that began it. A request of a user
// carries the JoinID it was accepted under, so that one that arrives after a rejoin is recognised as stale.
type JoinID string

// NewID makes a UUIDv7 (RFC 9562 section 5.7): unique, and sorted by time of creation.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// IDsFrom is where the ids begin, in their order, that [NewID] makes from t on.
func IDsFrom(t time.Time) string {
	var id uuid.UUID // RFC 9562 section 5.7: 48 bits of milliseconds come first
	binary.BigEndian.PutUint64(id[:], uint64(t.UnixMilli())<<16)
	return id.String()
}

// DeriveID makes the id of something that follows from base, the same again for the same base and label. What a
// handler publishes gets its ids this way, so that a redelivered request repeats messages instead of doubling them.
func DeriveID(base, label string) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(base+"\x00"+label)).String()
}

// maxNameLength is the longest id a caller may choose, in characters (HTTP API contract).
const maxNameLength = 64

var namePattern = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,64}$`)

// CheckName reports whether a caller may use name as the id of a session or user; field names it in the error, which
// has [CodeInvalid].
func CheckName(field, name string) error {
	if !namePattern.MatchString(name) || name == "." || name == ".." {
		return Errorf(CodeInvalid, "%s: 1 to %d of the characters A-Z a-z 0-9 . _ ~ - are needed, and not only . or ..",
			field, maxNameLength)
	}
	return nil
}

// StreamIDFor is the id of the stream that user publishes under msid (RFC 8830): the same for the same pair, in every
// epoch and on every media server, and at most 32 token characters.
func StreamIDFor(user UserID, msid string) StreamID {
	sum := sha256.Sum256([]byte(fmt.Sprintf("%d:%s:%s", len(user), user, msid)))
	return StreamID(strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:15])))
}
