package mailbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
)

// ErrCursor says that a cursor is not one that this user was given.
var ErrCursor = errors.New("mailbox: unknown cursor")

const (
	cursorVersion  = 1
	cursorMACBytes = 12   // 96 bits: enough against guessing within a mailbox
	maxCursor      = 1024 // characters; a real one has about 70
)

// Cursors makes and reads cursors: a position in one user's messages, the last message up to there. Every replica with
// the same secret reads what another made; nobody can make one up, or use another user's.
type Cursors struct{ key []byte }

// NewCursors derives its key from the secret that all REST replicas share.
func NewCursors(secret []byte) *Cursors {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("orkestro mailbox cursor"))
	return &Cursors{key: mac.Sum(nil)}
}

// Encode is the cursor after the message id; "" is the position before all messages.
func (c *Cursors) Encode(k Key, id string) string {
	raw := append([]byte{cursorVersion}, c.mac(k, id)...)
	return base64.RawURLEncoding.EncodeToString(append(raw, id...))
}

// Decode is the id of the message that a cursor stands after. Errors: [ErrCursor].
func (c *Cursors) Decode(k Key, cursor string) (id string, err error) {
	if len(cursor) > maxCursor {
		return "", ErrCursor
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(raw) < 1+cursorMACBytes || raw[0] != cursorVersion {
		return "", ErrCursor
	}
	id = string(raw[1+cursorMACBytes:])
	if !hmac.Equal(raw[1:1+cursorMACBytes], c.mac(k, id)) {
		return "", ErrCursor
	}
	return id, nil
}

// mac binds the id to the mailbox. Session and user ids hold no NUL, so the parts cannot run into each other.
func (c *Cursors) mac(k Key, id string) []byte {
	mac := hmac.New(sha256.New, c.key)
	mac.Write([]byte(string(k.Session) + "\x00" + string(k.User) + "\x00" + id))
	return mac.Sum(nil)[:cursorMACBytes]
}
