package rtc

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/protocol/extension"
	"github.com/pion/dtls/v3/pkg/protocol/handshake"
	"github.com/pion/ice/v4"
	"github.com/pion/rtp"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
)

// pionWay counts what went Pion's way.
type pionWay struct{ packets int }

func (w *pionWay) WriteRTP(_ *rtp.Header, payload []byte) (int, error) {
	w.packets++
	return len(payload), nil
}

func (w *pionWay) Write(b []byte) (int, error) { return len(b), nil }

// openShortcut has everything but a pair.
func openShortcut(t *testing.T) *shortcut {
	t.Helper()
	s := &shortcut{path: &path{}, buffers: newEncryptions()}
	handshakeOf(&s.keys, dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, extension.SRTP_AEAD_AES_128_GCM)
	s.connected()
	if !s.open.Load() {
		t.Fatal("no key")
	}
	return s
}

// handshakeOf shows keys a handshake.
func handshakeOf(keys *srtpKeys, suite dtls.CipherSuiteID, profile extension.SRTPProtectionProfile) {
	id := uint16(suite)
	keys.onHello(handshake.MessageServerHello{
		CipherSuiteID: &id,
		Extensions: []extension.Extension{
			&extension.UseSRTP{ProtectionProfiles: []extension.SRTPProtectionProfile{profile}},
		},
	})
	random, secret := make([]byte, 32), make([]byte, 48)
	_, _ = rand.Read(secret)
	_, _ = fmt.Fprintf(keys, "CLIENT_RANDOM %s %s\n", hex.EncodeToString(random), hex.EncodeToString(secret))
}

func TestSRTPKeys_OnlyOfTheUsualAlgorithms(t *testing.T) {
	usual, gcm := dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, extension.SRTP_AEAD_AES_128_GCM
	for _, c := range []struct {
		suite   dtls.CipherSuiteID
		profile extension.SRTPProtectionProfile
		want    bool
	}{
		{usual, gcm, true},
		{dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, gcm, false},
		{usual, extension.SRTP_AES128_CM_HMAC_SHA1_80, false},
	} {
		var keys srtpKeys
		handshakeOf(&keys, c.suite, c.profile)
		if got := keys.context() != nil; got != c.want {
			t.Errorf("%v, %v: key %v", c.suite, c.profile, got)
		}
		if keys.secret != nil || keys.context() != nil {
			t.Error("the secret is kept")
		}
	}
	var keys srtpKeys
	if _, err := keys.Write([]byte("SOMETHING else")); err != nil || keys.context() != nil {
		t.Errorf("a key of nothing: %v", err)
	}
}

func TestOutlet_TakesTheShortcutOnceItCan(t *testing.T) {
	s, pion := openShortcut(t), &pionWay{}
	o := &outlet{via: s, pion: pion}
	write := func(sequence uint16) {
		t.Helper()
		if _, err := o.WriteRTP(&rtp.Header{Version: 2, SSRC: 1, SequenceNumber: sequence}, []byte{1}); err != nil {
			t.Error(err)
		}
	}
	write(65_000)
	s.path.inUse.Store(newPair(t, 1)) // nobody listens there
	if !o.take(65_001) || pion.packets != 1 {
		t.Fatalf("shortcut not taken, %d packets by Pion", pion.packets)
	}
	s.path.restart()
	write(65_002)
	if pion.packets != 1 {
		t.Error("Pion, which knows nothing of the packets since, gets one again")
	}
}

// Only who counted the rounds of the sequence number can encrypt what follows.
func TestOutlet_StaysWithPionAfterARound(t *testing.T) {
	for _, last := range []uint16{0, 65_535} { // the round ends before the shortcut is open, or with its first packet
		s, pion := openShortcut(t), &pionWay{}
		o := &outlet{via: s, pion: pion}
		for _, sequence := range []uint16{65_534, last, 65_533} {
			_, _ = o.WriteRTP(&rtp.Header{Version: 2, SequenceNumber: sequence}, []byte{1})
		}
		s.path.inUse.Store(&ice.CandidatePair{})
		if o.take(1) {
			t.Errorf("taken after %d", last)
		}
	}
}

// A real connection takes the shortcut: what arrives there was encrypted by it.
func TestShortcut_IsTaken(t *testing.T) {
	engine := newTestEngine(t)
	source := engine.NewSource(control.KindVideo)
	defer source.Close()
	source.setCodec(Codec{MIME: "video/VP8", ClockRate: 90_000})
	peer := connectReceiver(t, engine, source)
	testkit.Eventually(t, func() error { return takenByAll(peer) })
}
