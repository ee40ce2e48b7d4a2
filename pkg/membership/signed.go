// Package membership is who may serve in a fleet: documents signed with Ed25519 (RFC 8032), and the verdict on a media
// server that presents one.
//
//	the fleet's key      configured in REST replicas and Wrappers, and where every chain of trust begins
//	a manifest           says which generations of tokens count now, and which key signs each; it is signed by the key
//	                     of the generation before, so a key is replaced without touching configurations at once
//	a token              says that the holder of a key may be a server of a name and version for some time
//	a proof              is made by a media server when it registers, with the key that its token names: nobody who has
//	                     only read the token can register with it, and no record can be given another address
//
// Wrappers ask it before each choice of a server, so a record that lies is not believed, whoever wrote it. It knows
// neither the store nor files.
package membership

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits of documents, in bytes.
const (
	maxManifestBytes = 16 << 10
	maxTokenBytes    = 2 << 10
)

// What a signature is for; it is part of what is signed, so that none can be taken for another.
const (
	purposeManifest = "orkestro-membership-manifest-1"
	purposeToken    = "orkestro-membership-token-1" //nolint:gosec // a name, and no secret
	purposeProof    = "orkestro-membership-proof-1"
)

// Errors of documents.
var (
	// ErrMalformed: it is no document of this kind.
	ErrMalformed = errors.New("membership: malformed")
	// ErrForged: it is not signed by a key that may.
	ErrForged = errors.New("membership: not signed by a key that may")
)

// signed is a document as it travels: its JSON and signatures, each in unpadded base64url, with dots in between.
type signed struct {
	payload    []byte
	signatures [][]byte
}

// seal signs a document with each of the keys.
func seal(purpose string, document any, keys ...ed25519.PrivateKey) (string, error) {
	payload, err := json.Marshal(document)
	if err != nil {
		return "", fmt.Errorf("encode a document: %w", err)
	}
	parts := []string{base64.RawURLEncoding.EncodeToString(payload)}
	for _, key := range keys {
		parts = append(parts, base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, message(purpose, payload))))
	}
	return strings.Join(parts, "."), nil
}

// message is what is signed.
func message(purpose string, payload []byte) []byte {
	return append([]byte(purpose+"\n"), payload...)
}

// open reads a document with at most so many bytes and signatures into v. It does not check the signatures.
func open(text string, limit, signatures int, v any) (signed, error) {
	if len(text) > limit {
		return signed{}, fmt.Errorf("%w: more than %d bytes", ErrMalformed, limit)
	}
	parts := strings.Split(text, ".")
	if len(parts) < 2 || len(parts) > 1+signatures {
		return signed{}, fmt.Errorf("%w: a document and 1 to %d signatures are needed", ErrMalformed, signatures)
	}
	var s signed
	for i, part := range parts {
		raw, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil {
			return signed{}, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		if i == 0 {
			s.payload = raw
			continue
		}
		if len(raw) != ed25519.SignatureSize {
			return signed{}, fmt.Errorf("%w: a signature has %d bytes, not %d", ErrMalformed, ed25519.SignatureSize, len(raw))
		}
		s.signatures = append(s.signatures, raw)
	}
	return s, decode(s.payload, v)
}

// decode is strict: what is not understood is not believed in parts.
func decode(payload []byte, v any) error {
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something follows the document", ErrMalformed)
	}
	return nil
}

// by reports whether key has signed it.
func (s signed) by(purpose string, key Key) bool {
	for _, signature := range s.signatures {
		if key.verify(message(purpose, s.payload), signature) {
			return true
		}
	}
	return false
}
