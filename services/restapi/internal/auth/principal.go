// Package auth tells who calls: a backend or operator by API key, or a user by the token that its join returned. The
// HTTP layer asks it; it knows no operation and no status codes.
package auth

import (
	"github.com/orkestro/orkestro/pkg/control"
)

// Principal is an authenticated caller: the owner of an API key (Key is its name) or a user (Key is empty).
type Principal struct {
	Key     string
	Session control.SessionID
	User    control.UserID
}

// IsUser reports whether the caller is a user with a token.
func (p Principal) IsUser() bool { return p.Key == "" }

// Actor is the caller as the audit names it.
func (p Principal) Actor() string {
	if p.IsUser() {
		return "user:" + string(p.Session) + "/" + string(p.User)
	}
	return "key:" + p.Key
}

// Authenticator knows the keys and reads the tokens. Safe for concurrent use.
type Authenticator struct {
	keys   Keys
	tokens *Tokens
}

// NewAuthenticator accepts the bearers of both kinds.
func NewAuthenticator(keys Keys, tokens *Tokens) *Authenticator {
	return &Authenticator{keys: keys, tokens: tokens}
}

// Authenticate is the caller with this bearer credential, [control.CodeUnauthorized] if it is none of ours.
func (a *Authenticator) Authenticate(bearer string) (Principal, error) {
	if name, ok := a.keys.Find(bearer); ok {
		return Principal{Key: name}, nil
	}
	return a.tokens.Parse(bearer)
}
