package rtc

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"

	"github.com/pion/webrtc/v4"
)

const rsaBits = 2048 // what browsers make

// newRSACertificate is for clients that cannot do with ECDSA; it takes a moment to make.
func newRSACertificate() (*webrtc.Certificate, error) {
	key, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return nil, fmt.Errorf("generate RSA key: %w", err)
	}
	certificate, err := webrtc.GenerateCertificate(key)
	if err != nil {
		return nil, fmt.Errorf("generate RSA certificate: %w", err)
	}
	return certificate, nil
}
