package rtpsocket

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/pion/srtp/v3"
)

// Suite is a crypto suite of SDES (RFC 4568 section 6.2, RFC 6188).
type Suite string

// The suites, in the order of preference.
const (
	AES128SHA80 Suite = "AES_128_CM_HMAC_SHA1_80"
	AES256SHA80 Suite = "AES_256_CM_HMAC_SHA1_80"
	AES128SHA32 Suite = "AES_128_CM_HMAC_SHA1_32"
	AES256SHA32 Suite = "AES_256_CM_HMAC_SHA1_32"
)

const saltBytes = 14 // RFC 3711 section 8.2

func (s Suite) profile() (profile srtp.ProtectionProfile, keyBytes int, known bool) {
	switch s {
	case AES128SHA80:
		return srtp.ProtectionProfileAes128CmHmacSha1_80, 16, true
	case AES128SHA32:
		return srtp.ProtectionProfileAes128CmHmacSha1_32, 16, true
	case AES256SHA80:
		return srtp.ProtectionProfileAes256CmHmacSha1_80, 32, true
	case AES256SHA32:
		return srtp.ProtectionProfileAes256CmHmacSha1_32, 32, true
	default:
		return 0, 0, false
	}
}

// Known reports whether the suite is one of those above.
func (s Suite) Known() bool {
	_, _, known := s.profile()
	return known
}

// KeyBytes is the length of a master key and its salt; 0 for a suite that is not known.
func (s Suite) KeyBytes() int {
	_, keyBytes, known := s.profile()
	if !known {
		return 0
	}
	return keyBytes + saltBytes
}

// Key is a master key and salt of SRTP, for one direction.
type Key struct {
	Suite  Suite
	Secret []byte // key, then salt
}

// NewKey makes a random key.
func NewKey(suite Suite) Key {
	secret := make([]byte, suite.KeyBytes())
	_, _ = rand.Read(secret) // never fails
	return Key{suite, secret}
}

// Check says what is wrong with a key.
func (k Key) Check() error {
	if !k.Suite.Known() {
		return fmt.Errorf("crypto suite %q is not supported", k.Suite)
	}
	if want := k.Suite.KeyBytes(); len(k.Secret) != want {
		return fmt.Errorf("the key has %d bytes, %s needs %d", len(k.Secret), k.Suite, want)
	}
	return nil
}

// Attribute is the value of the SDP attribute crypto (RFC 4568 section 9.1).
func (k Key) Attribute(tag string) string {
	return tag + " " + string(k.Suite) + " inline:" + base64.StdEncoding.EncodeToString(k.Secret)
}

// ParseKey reads the value of an SDP attribute crypto. Lifetimes are ignored; master key identifiers and session
// parameters, which would change the packets, are refused.
func ParseKey(attribute string) (tag string, key Key, err error) {
	fields := strings.Fields(attribute)
	if len(fields) < 3 {
		return "", Key{}, fmt.Errorf("crypto attribute of %d fields", len(fields))
	}
	if len(fields) > 3 {
		return "", Key{}, fmt.Errorf("session parameter %q of a crypto attribute", fields[3])
	}
	text, inline := strings.CutPrefix(fields[2], "inline:")
	if !inline || strings.Contains(text, ";") {
		return "", Key{}, fmt.Errorf("crypto attribute without one inline key")
	}
	text, parameters, _ := strings.Cut(text, "|")
	if strings.Contains(parameters, ":") {
		return "", Key{}, fmt.Errorf("crypto attribute with a master key identifier")
	}
	secret, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", Key{}, fmt.Errorf("key of a crypto attribute: %w", err)
	}
	key = Key{Suite(fields[1]), secret}
	return fields[0], key, key.Check()
}

// context makes the state of one direction.
func (k *Key) context(options ...srtp.ContextOption) (*srtp.Context, error) {
	if err := k.Check(); err != nil {
		return nil, err
	}
	profile, keyBytes, _ := k.Suite.profile()
	return srtp.CreateContext(k.Secret[:keyBytes], k.Secret[keyBytes:], profile, options...)
}
