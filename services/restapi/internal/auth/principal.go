// Package auth tells who calls: a backend or operator by API key, or a user by the token that its join returned. The
// HTTP layer asks it; it knows no operation and no status codes.
package auth

import (
	"github.com/orkestro/orkestro/pkg/control"
)

// Principal is an authenticated caller: the owner of an API key (Key is its name), a user with its token, or the holder
// of a stream key (Use is what it is good for), who need not be in the session.
type Principal struct {
	Key     string
	Use     Use
	Session control.SessionID
	User    control.UserID
}

// Use is what a stream key is good for.
type Use string

// A stream key publishes as one user by WHIP, or watches by WHEP.
const (
	UseWHIP Use = "whip"
	UseWHEP Use = "whep"
)

// IsUser reports whether the caller is a user with a token.
func (p Principal) IsUser() bool { return p.Key == "" && p.Use == "" }

// Actor is the caller as the audit names it.
func (p Principal) Actor() string {
	switch {
	case p.IsUser():
		return "user:" + string(p.Session) + "/" + string(p.User)
	case p.Use != "":
		return string(p.Use) + ":" + string(p.Session) + "/" + string(p.User)
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
