package membership

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// Key is a public key in base64, as it is configured and as documents name it.
type Key string

// KeyOf is the public half of a key.
func KeyOf(private ed25519.PrivateKey) Key {
	public, _ := private.Public().(ed25519.PublicKey) // always is one (crypto/ed25519)
	return Key(base64.StdEncoding.EncodeToString(public))
}

// ParseKey checks that text is a public key.
func ParseKey(text string) (Key, error) {
	key := Key(strings.TrimSpace(text))
	if key.public() == nil {
		return "", fmt.Errorf("a public key is %d bytes in base64, as 'orkestro membership keygen' prints it",
			ed25519.PublicKeySize)
	}
	return key, nil
}

// public is nil for what is no key.
func (k Key) public() ed25519.PublicKey {
	raw, err := base64.StdEncoding.Strict().DecodeString(string(k))
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return nil
	}
	return raw
}

func (k Key) verify(message, signature []byte) bool {
	public := k.public()
	return public != nil && ed25519.Verify(public, message, signature)
}

// NewKey makes a key pair.
func NewKey() (ed25519.PrivateKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	return private, err
}

// Types of PEM blocks (RFC 7468 section 10 for the first).
const (
	blockPrivateKey = "PRIVATE KEY"
	blockToken      = "ORKESTRO MEMBERSHIP TOKEN" //nolint:gosec // a name, and no secret
)

var errNoKey = errors.New("membership: there is no Ed25519 key in PKCS #8 PEM")

// EncodeKey is a private key as a file: PKCS #8 in PEM. It is for its owner's eyes only.
func EncodeKey(private ed25519.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockPrivateKey, Bytes: der}), nil
}

// DecodeKey reads what EncodeKey wrote.
func DecodeKey(file []byte) (ed25519.PrivateKey, error) {
	block := find(file, blockPrivateKey)
	if block == nil {
		return nil, errNoKey
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block)
	private, ok := parsed.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, errNoKey
	}
	return private, nil
}

// find is the first PEM block of a type.
func find(file []byte, kind string) []byte {
	for {
		var block *pem.Block
		if block, file = pem.Decode(file); block == nil {
			return nil
		}
		if block.Type == kind {
			return block.Bytes
		}
	}
}
