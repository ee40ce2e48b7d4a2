package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"
)

// Keys are the configured API keys. The zero value has none.
type Keys struct{ keys []key }

type key struct {
	name   string
	digest [sha256.Size]byte
}

// ParseKeys reads "name:secret" pairs. A secret may hold colons; names and secrets are not empty and are unique.
func ParseKeys(pairs []string) (Keys, error) {
	var k Keys
	for _, pair := range pairs {
		name, secret, ok := strings.Cut(strings.TrimSpace(pair), ":")
		if !ok || name == "" || secret == "" {
			return Keys{}, fmt.Errorf("API key %q: name:secret is needed", name)
		}
		digest := sha256.Sum256([]byte(secret))
		for _, other := range k.keys {
			if other.name == name || other.digest == digest {
				return Keys{}, fmt.Errorf("API key %q: its name or secret is there twice", name)
			}
		}
		k.keys = append(k.keys, key{name: name, digest: digest})
	}
	return k, nil
}

// Find is the name of the key with this secret. It takes as long for a near miss as for a wide one: digests are
// compared, all of them, each in constant time.
func (k Keys) Find(secret string) (name string, ok bool) {
	digest := sha256.Sum256([]byte(secret))
	for _, candidate := range k.keys {
		if subtle.ConstantTimeCompare(digest[:], candidate.digest[:]) == 1 {
			name, ok = candidate.name, true
		}
	}
	return name, ok
}
