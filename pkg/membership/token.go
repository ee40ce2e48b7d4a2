package membership

import (
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
)

var (
	errNoToken  = errors.New("membership: there is no token; 'orkestro membership sign' makes such a file")
	errMismatch = errors.New("membership: token and key do not belong together")
)

// Token says that whoever holds a key may be a media server.
type Token struct {
	Server     string    `json:"server"`  // its id; "media-*": every id that begins with media-
	Version    string    `json:"version"` // as the server shows it
	Generation int64     `json:"generation"`
	Key        Key       `json:"key"` // of the server itself
	NotBefore  time.Time `json:"notBefore"`
	Expires    time.Time `json:"expires"`
}

// Sign makes a document of a token.
func (t Token) Sign(key ed25519.PrivateKey) (string, error) {
	if err := t.check(); err != nil {
		return "", err
	}
	return seal(purposeToken, t, key)
}

// ParseToken reads a document, whoever has signed it.
func ParseToken(document string) (Token, error) {
	t, _, err := parseToken(document)
	return t, err
}

func parseToken(document string) (t Token, s signed, err error) {
	if s, err = open(document, maxTokenBytes, 1, &t); err == nil {
		err = t.check()
	}
	return t, s, err
}

func (t Token) check() error {
	switch {
	case control.CheckName("server", strings.TrimSuffix(t.Server, "*")) != nil:
		return fmt.Errorf("%w: server: the id of a media server, or the beginning of ids and a *, is needed", ErrMalformed)
	case t.Version == "" || len(t.Version) > maxText:
		return fmt.Errorf("%w: version: 1 to %d characters are needed", ErrMalformed, maxText)
	case t.Generation < 1:
		return fmt.Errorf("%w: generation: 1 or more is needed", ErrMalformed)
	case t.Key.public() == nil:
		return fmt.Errorf("%w: key: a public key is needed", ErrMalformed)
	case !t.Expires.After(t.NotBefore):
		return fmt.Errorf("%w: expires: it must be later than notBefore", ErrMalformed)
	}
	return nil
}

// Names reports whether a server of that id may use the token.
func (t Token) Names(id control.MediaServerID) bool {
	if prefix, many := strings.CutSuffix(t.Server, "*"); many {
		return strings.HasPrefix(string(id), prefix)
	}
	return t.Server == string(id)
}

// Credential is what a media server has: its token, and the key that the token names.
type Credential struct {
	Document string // the signed token
	Token    Token
	private  ed25519.PrivateKey
}

// Issue makes a key pair for a server, and signs a token for it; t.Key is filled in.
func Issue(key ed25519.PrivateKey, t Token) (Credential, error) {
	private, err := NewKey()
	if err != nil {
		return Credential{}, fmt.Errorf("make a key: %w", err)
	}
	t.Key = KeyOf(private)
	t.NotBefore, t.Expires = t.NotBefore.UTC().Truncate(time.Second), t.Expires.UTC().Truncate(time.Second)
	document, err := t.Sign(key)
	return Credential{Document: document, Token: t, private: private}, err
}

// Encode is a credential as a file, in PEM. It is for its owner's eyes only.
func (c Credential) Encode() ([]byte, error) {
	file, err := EncodeKey(c.private)
	if err != nil {
		return nil, err
	}
	return append(file, pem.EncodeToMemory(&pem.Block{Type: blockToken, Bytes: []byte(c.Document)})...), nil
}

// ParseCredential reads what Encode wrote.
func ParseCredential(file []byte) (Credential, error) {
	private, err := DecodeKey(file)
	if err != nil {
		return Credential{}, err
	}
	document, err := TokenIn(file)
	if err != nil {
		return Credential{}, err
	}
	token, err := ParseToken(document)
	if err != nil {
		return Credential{}, err
	}
	if token.Key != KeyOf(private) {
		return Credential{}, errMismatch
	}
	return Credential{Document: document, Token: token, private: private}, nil
}

// TokenIn is the token of a file that [Credential.Encode] wrote, as a document.
func TokenIn(file []byte) (document string, err error) {
	if document = string(find(file, blockToken)); document == "" {
		return "", errNoToken
	}
	return document, nil
}

// VerifyToken reads a document that key has signed. Errors: [ErrMalformed], [ErrForged].
func VerifyToken(document string, key Key) (Token, error) {
	t, sealed, err := parseToken(document)
	if err == nil && !sealed.by(purposeToken, key) {
		err = ErrForged
	}
	return t, err
}
