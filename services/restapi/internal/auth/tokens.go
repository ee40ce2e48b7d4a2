package auth

import (
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/orkestro/orkestro/pkg/control"
)

// MinSecretLength is the least length of the shared secret, in bytes.
const MinSecretLength = 16

// Tokens issues and reads user tokens: JWTs (RFC 7519) signed with HS256 under a secret that all REST replicas share.
// A token names a session and a user, not a join, so it survives a rejoin. Safe for concurrent use.
type Tokens struct {
	secret []byte
	now    func() time.Time
}

type claims struct {
	jwt.RegisteredClaims
	Session control.SessionID `json:"session"`
	User    control.UserID    `json:"user"`
	Use     Use               `json:"use,omitempty"` // of a stream key
}

// NewTokens uses secret, which has at least [MinSecretLength] bytes, and now as its clock.
func NewTokens(secret []byte, now func() time.Time) (*Tokens, error) {
	if len(secret) < MinSecretLength {
		return nil, fmt.Errorf("token secret: at least %d bytes are needed", MinSecretLength)
	}
	return &Tokens{secret: secret, now: now}, nil
}

// Issue makes a token that is good for at least ttl; expires is when it ends, in whole seconds as JWT has it.
func (t *Tokens) Issue(session control.SessionID, user control.UserID, ttl time.Duration) (
	token string, expires time.Time, err error,
) {
	return t.IssueFor("", session, user, ttl)
}

// IssueFor is Issue for a stream key. Of one to watch, the user is only a name to tell keys apart.
func (t *Tokens) IssueFor(use Use, session control.SessionID, user control.UserID, ttl time.Duration) (
	token string, expires time.Time, err error,
) {
	now := t.now()
	expires = now.Add(ttl + time.Second - 1).Truncate(time.Second)
	token, err = jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(expires),
		},
		Session: session, User: user, Use: use,
	}).SignedString(t.secret)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign a token: %w", err)
	}
	return token, expires, nil
}

// Parse is the user that a token or stream key was issued to, [control.CodeUnauthorized] if it is forged, expired or
// none.
func (t *Tokens) Parse(token string) (Principal, error) {
	var c claims
	_, err := jwt.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return t.secret, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithExpirationRequired(),
		jwt.WithTimeFunc(t.now))
	if err != nil || c.Session == "" || c.User == "" {
		return Principal{}, &control.Error{
			Code: control.CodeUnauthorized, Detail: "an API key or a valid user token is needed", Err: err,
		}
	}
	return Principal{Session: c.Session, User: c.User, Use: c.Use}, nil
}
