package membership

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"strconv"

	"github.com/orkestro/orkestro/pkg/control"
)

// Present is what a server's record holds so that it is admitted: the token, and the proof that the process that
// registers as id, instance, URL and version has the token's key.
func (c Credential) Present(s control.MediaServer) *control.Membership {
	signature := ed25519.Sign(c.private, message(purposeProof, registration(s)))
	return &control.Membership{Token: c.Document, Proof: base64.RawURLEncoding.EncodeToString(signature)}
}

// registration is what a proof is about.
func registration(s control.MediaServer) []byte {
	text, _ := json.Marshal([]string{ // strings always encode
		string(s.ID), string(s.Instance), s.URL, s.Version, strconv.FormatInt(s.StartedAt.UnixMilli(), 10),
	})
	return text
}

// proves reports whether the record of s was made by who has the key.
func proves(key Key, s control.MediaServer) bool {
	signature, err := base64.RawURLEncoding.DecodeString(s.Membership.Proof)
	return err == nil && key.verify(message(purposeProof, registration(s)), signature)
}
