package rtc

import (
	"bytes"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// keyed is a shortcut without a pair, and the context of who receives from it.
func keyed(t *testing.T) (s *shortcut, remote *srtp.Context) {
	t.Helper()
	key, salt := make([]byte, srtpKeyBytes), make([]byte, srtpSaltBytes)
	local, err := srtp.CreateContext(key, salt, srtp.ProtectionProfileAeadAes128Gcm)
	if err != nil {
		t.Fatal(err)
	}
	if remote, err = srtp.CreateContext(key, salt, srtp.ProtectionProfileAeadAes128Gcm); err != nil {
		t.Fatal(err)
	}
	return &shortcut{path: &path{}, context: local, buffers: newEncryptions()}, remote
}

// What leaves by the shortcut is a packet of RTP with all that its header tells of: a filler, and one that grew on its
// way to more than it came with.
func TestShortcut_WritesWholePackets(t *testing.T) {
	s, remote := keyed(t)
	grown := rtp.Header{Version: 2, SSRC: 1, SequenceNumber: 2}
	if err := grown.SetExtension(1, []byte{1, 2}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		header  rtp.Header
		payload []byte
	}{
		"filler":  {rtp.Header{Version: 2, SSRC: 1, SequenceNumber: 1, Padding: true, PaddingSize: 1}, nil},
		"largest": {grown, bytes.Repeat([]byte{7}, maxPacketBytes-12)},
	} {
		t.Run(name, func(t *testing.T) {
			encrypted, err := s.encrypt(new(encryption), &c.header, c.payload)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := remote.DecryptRTP(nil, encrypted, nil)
			if err != nil {
				t.Fatal(err)
			}
			var p rtp.Packet
			if err := p.Unmarshal(raw); err != nil || !bytes.Equal(p.Payload, c.payload) {
				t.Errorf("%x: %v", raw[:min(len(raw), 20)], err)
			}
			if p.Header.PaddingSize != c.header.PaddingSize {
				t.Errorf("%d bytes of padding", p.Header.PaddingSize)
			}
		})
	}
	if _, err := s.encrypt(new(encryption), &grown, make([]byte, maxPacketBytes+maxAdded)); err == nil {
		t.Error("more than there is room for was taken")
	}
}

// While there is no pair the numbers go on: how often they went round is part of what a packet is encrypted with.
func TestShortcut_CountsRoundsWithoutAPair(t *testing.T) {
	s, _ := keyed(t)
	for number := range 70_000 {
		n, err := s.write(&rtp.Header{Version: 2, SSRC: 1, SequenceNumber: uint16(number)}, nil)
		if n != 0 || err != nil {
			t.Fatalf("%d bytes were written, %v", n, err)
		}
	}
	if rounds, known := s.context.ROC(1); !known || rounds != 1 {
		t.Errorf("%d rounds, known: %v", rounds, known)
	}
}
