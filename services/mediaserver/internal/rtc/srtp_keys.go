package rtc

import (
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/prf"
	"github.com/pion/dtls/v3/pkg/protocol/extension"
	"github.com/pion/dtls/v3/pkg/protocol/handshake"
	"github.com/pion/srtp/v3"
	"github.com/pion/webrtc/v4"
)

// srtpKeys learns from a DTLS handshake the key that this side encrypts media with (RFC 5764 section 4.2). Pion derives
// the same key and does not give it away, so it comes from what the handshake shows to hooks: the server's hello, when
// this side is the server, and the master secret, which a key log gets. Neither leaves this type. A connection on which
// this side is the client, or that negotiates other than the usual algorithms, has no key here. Safe for concurrent
// use.
type srtpKeys struct {
	mu     sync.Mutex
	hello  *handshake.MessageServerHello
	random []byte // of the client
	secret []byte
}

// observe makes the handshakes of settings show what they do. settings are those of one connection.
func (k *srtpKeys) observe(settings *webrtc.SettingEngine) {
	settings.SetDTLSKeyLogWriter(k)
	settings.SetDTLSServerHelloMessageHook(k.onHello)
}

// onHello changes nothing.
func (k *srtpKeys) onHello(hello handshake.MessageServerHello) handshake.Message {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.hello = &hello
	return &hello
}

// Write takes a line of a key log: "CLIENT_RANDOM", the client's random and the master secret.
func (k *srtpKeys) Write(line []byte) (int, error) {
	var random, secret []byte
	if n, _ := fmt.Sscanf(string(line), "CLIENT_RANDOM %x %x", &random, &secret); n == 2 { // of others there are none
		k.mu.Lock()
		defer k.mu.Unlock()
		k.random, k.secret = random, secret
	}
	return len(line), nil
}

const (
	srtpKeyBytes  = 16 // AEAD_AES_128_GCM: RFC 7714 section 12
	srtpSaltBytes = 12
	exporterLabel = "EXTRACTOR-dtls_srtp"
)

// context encrypts what this side sends; nil: there is no key. It is called once, when the handshake is over, and
// forgets all it knows.
func (k *srtpKeys) context() *srtp.Context {
	k.mu.Lock()
	defer k.mu.Unlock()
	defer func() {
		clear(k.secret)
		k.hello, k.random, k.secret = nil, nil, nil
	}()
	if k.hello == nil || k.secret == nil || !usualAlgorithms(k.hello) {
		return nil
	}
	server := k.hello.Random.MarshalFixed()
	seed := append(append([]byte(exporterLabel), k.random...), server[:]...)
	material, err := prf.PHash(k.secret, seed, 2*(srtpKeyBytes+srtpSaltBytes), sha256.New)
	if err != nil {
		return nil
	}
	// The client's key, the server's key, the client's salt, the server's salt.
	key := material[srtpKeyBytes : 2*srtpKeyBytes]
	salt := material[2*srtpKeyBytes+srtpSaltBytes:]
	context, err := srtp.CreateContext(key, salt, srtp.ProtectionProfileAeadAes128Gcm)
	if err != nil {
		return nil
	}
	return context
}

// usualAlgorithms are those that this server prefers and every browser has.
func usualAlgorithms(hello *handshake.MessageServerHello) bool {
	const suite = dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	if hello.CipherSuiteID == nil || dtls.CipherSuiteID(*hello.CipherSuiteID) != suite {
		return false
	}
	for _, e := range hello.Extensions {
		if use, ok := e.(*extension.UseSRTP); ok {
			return len(use.ProtectionProfiles) == 1 && use.ProtectionProfiles[0] == extension.SRTP_AEAD_AES_128_GCM
		}
	}
	return false
}
