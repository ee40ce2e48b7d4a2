package media_test

import (
	"bytes"
	"net"
	"regexp"
	"sync"
	"testing"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

// handshakeTap is the socket of a client, and notes which SRTP profile the DTLS server chose.
type handshakeTap struct {
	net.PacketConn

	mu     sync.Mutex
	chosen []dtls.SRTPProtectionProfile
}

func newHandshakeTap(t *testing.T) *handshakeTap {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &handshakeTap{PacketConn: conn}
}

// ReadFrom looks for a ServerHello (RFC 6347 section 4.2), whose extension use_srtp has one profile (RFC 5764 section
// 4.1.1): it is not encrypted.
func (c *handshakeTap) ReadFrom(b []byte) (int, net.Addr, error) {
	const (
		handshake, serverHello = 22, 2
		typeOffset             = 13 // behind the record header
	)
	n, from, err := c.PacketConn.ReadFrom(b)
	if err != nil || n <= typeOffset || b[0] != handshake || b[typeOffset] != serverHello {
		return n, from, err
	}
	if _, extension, found := bytes.Cut(b[:n], []byte{0, 14, 0, 5, 0, 2}); found && len(extension) >= 2 {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.chosen = append(c.chosen, dtls.SRTPProtectionProfile(uint16(extension[0])<<8|uint16(extension[1])))
	}
	return n, from, err
}

// A client that would rather have the dear profile gets the cheap one, in both directions.
func TestDTLS_PrefersGCM(t *testing.T) {
	f := newFixture(t)
	var taps []*handshakeTap
	exchange(t, f, func(s *webrtc.SettingEngine) {
		tap := newHandshakeTap(t)
		taps = append(taps, tap)
		mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: tap})
		t.Cleanup(func() { _ = mux.Close() })
		s.SetICEUDPMux(mux)
		s.SetSRTPProtectionProfiles(dtls.SRTP_AES128_CM_HMAC_SHA1_80, dtls.SRTP_AEAD_AES_128_GCM)
	})
	for i, tap := range taps {
		tap.mu.Lock()
		defer tap.mu.Unlock()
		if len(tap.chosen) == 0 || tap.chosen[0] != dtls.SRTP_AEAD_AES_128_GCM {
			t.Errorf("connection %d: profiles %v", i+1, tap.chosen)
		}
	}
}

// All connections of a server have one certificate, and the server is passive when it may choose: making certificates,
// and flights of a handshake, is what joining costs.
func TestDTLS_OneCertificate(t *testing.T) {
	f := newFixtureOn(t, rtc.NetworkConfig{UDPAddress: "127.0.0.1:0", Loopback: true})
	first, second := exchange(t, f, func(*webrtc.SettingEngine) {}), exchange(t, f, func(*webrtc.SettingEngine) {})
	fingerprint := regexp.MustCompile(`a=fingerprint:sha-256 \S+`)
	if a, b := fingerprint.FindString(first), fingerprint.FindString(second); a == "" || a != b {
		t.Errorf("fingerprints %q and %q", a, b)
	}
	if role := regexp.MustCompile(`a=setup:\S+`).FindString(first); role != "a=setup:passive" {
		t.Errorf("the answer has %q", role)
	}
}
