package membership

import (
	"crypto/ed25519"
	"fmt"
	"time"
)

// Limits of a manifest.
const (
	maxAccepts  = 16
	maxVersions = 64
	maxText     = 128 // characters of a name or version
)

// Manifest says which tokens count. Each has a generation, one more than the one before.
type Manifest struct {
	Generation int64     `json:"generation"`
	Accepts    []Accept  `json:"accepts"`            // its own generation, and earlier ones for a while
	Versions   []string  `json:"versions,omitempty"` // of media servers; none: all
	IssuedAt   time.Time `json:"issuedAt"`
}

// Accept is a generation of tokens that counts.
type Accept struct {
	Generation int64      `json:"generation"`
	Key        Key        `json:"key"` // signs its tokens
	Until      *time.Time `json:"until,omitempty"`
}

// First is the manifest of a fleet that has stored none: tokens of generation 1, signed by the fleet's key.
func First(key Key) Manifest {
	return Manifest{Generation: 1, Accepts: []Accept{{Generation: 1, Key: key}}}
}

// Next is the manifest that replaces the key of m by another: tokens that count now do so until overlap is over.
func (m Manifest) Next(key Key, now time.Time, overlap time.Duration) Manifest {
	now = now.UTC().Truncate(time.Second)
	until := now.Add(overlap)
	next := Manifest{
		Generation: m.Generation + 1, Versions: m.Versions, IssuedAt: now,
		Accepts: []Accept{{Generation: m.Generation + 1, Key: key}},
	}
	for _, a := range m.Accepts {
		if a.Until == nil || a.Until.After(until) {
			a.Until = &until
		}
		if a.Until.After(now) && len(next.Accepts) < maxAccepts {
			next.Accepts = append(next.Accepts, a)
		}
	}
	return next
}

// Key is the one that signs tokens of m's own generation, and the next manifest.
func (m Manifest) Key() Key {
	a, _ := m.accepts(m.Generation)
	return a.Key
}

// accepts finds a generation among those that count.
func (m Manifest) accepts(generation int64) (Accept, bool) {
	for _, a := range m.Accepts {
		if a.Generation == generation {
			return a, true
		}
	}
	return Accept{}, false
}

// Sign makes a document of a manifest. The key of the manifest before has to be among the keys; with the manifest's own
// key, too, fleets that are configured with that one already take it.
func (m Manifest) Sign(keys ...ed25519.PrivateKey) (string, error) {
	if err := m.check(); err != nil {
		return "", err
	}
	return seal(purposeManifest, m, keys...)
}

// ParseManifest reads a document, whoever has signed it.
func ParseManifest(document string) (Manifest, error) {
	m, _, err := parseManifest(document)
	return m, err
}

func parseManifest(document string) (m Manifest, s signed, err error) {
	if s, err = open(document, maxManifestBytes, 2, &m); err == nil {
		err = m.check()
	}
	return m, s, err
}

func (m Manifest) check() error {
	switch {
	case m.Generation < 1:
		return fmt.Errorf("%w: generation: 1 or more is needed", ErrMalformed)
	case len(m.Accepts) > maxAccepts:
		return fmt.Errorf("%w: accepts: at most %d generations", ErrMalformed, maxAccepts)
	case len(m.Versions) > maxVersions:
		return fmt.Errorf("%w: versions: at most %d", ErrMalformed, maxVersions)
	case m.Key() == "":
		return fmt.Errorf("%w: accepts: its own generation is missing", ErrMalformed)
	}
	for _, a := range m.Accepts {
		if a.Key.public() == nil || a.Generation < 1 || a.Generation > m.Generation {
			return fmt.Errorf("%w: accepts: a key and a generation of 1 to %d are needed", ErrMalformed, m.Generation)
		}
	}
	for _, v := range m.Versions {
		if v == "" || len(v) > maxText {
			return fmt.Errorf("%w: versions: 1 to %d characters are needed", ErrMalformed, maxText)
		}
	}
	return nil
}

// Follow is the manifest at the end of a chain of documents, oldest first, for a fleet that is configured with key. The
// first that this key has signed is where the chain begins; from there on each counts that is signed by the key of the
// one before. Without any document it is [First]. Errors: [ErrForged] when there are some and the key signed none.
func Follow(key Key, documents []string) (Manifest, error) {
	if len(documents) == 0 {
		return First(key), nil
	}
	var current Manifest
	signer := key
	for _, document := range documents {
		m, s, err := parseManifest(document)
		if err != nil || m.Generation <= current.Generation || !s.by(purposeManifest, signer) {
			continue
		}
		current, signer = m, m.Key()
	}
	if current.Generation == 0 {
		return Manifest{}, ErrForged
	}
	return current, nil
}
