package rtpsocket

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestParsePorts(t *testing.T) {
	for _, bad := range []string{"x", "40000", "40001-40000", "0-5", "40000-70000", "40000-40000", "40001-40002"} {
		if _, err := ParsePorts(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if ports, err := ParsePorts("40001-40010"); err != nil || ports.low != 40002 || ports.high != 40010 {
		t.Errorf("%+v, %v", ports, err)
	}
}

// A range is used up pair by pair, given back, and never left.
func TestPorts_StayInTheRange(t *testing.T) {
	loopback := netip.MustParseAddr("127.0.0.1")
	// Three pairs somewhere where the system has just had free ports.
	probe, err := Open(&Ports{}, loopback)
	if err != nil {
		t.Fatal(err)
	}
	low := probe.Port()
	probe.Close()
	ports := &Ports{low: low, high: low + 5}
	var open []*Socket
	for {
		s, err := Open(ports, loopback)
		if err != nil {
			break
		}
		if s.Port() < low || s.Port() > low+4 || s.Port()%2 != 0 {
			t.Errorf("port %d, range from %d", s.Port(), low)
		}
		open = append(open, s)
	}
	if len(open) == 0 || len(open) > 3 {
		t.Errorf("%d pairs of ports in a range of three", len(open))
	}
	for _, s := range open {
		s.Close()
	}
	again, err := Open(ports, loopback)
	if err != nil {
		t.Fatalf("ports that were given back: %v", err)
	}
	again.Close()
}

func TestKey_AttributeRoundTrip(t *testing.T) {
	for _, suite := range []Suite{AES128SHA80, AES128SHA32, AES256SHA80, AES256SHA32} {
		key := NewKey(suite)
		tag, read, err := ParseKey(key.Attribute("7"))
		if err != nil || tag != "7" || read.Suite != suite || string(read.Secret) != string(key.Secret) {
			t.Errorf("%s: %q, %v, %v", suite, tag, read.Suite, err)
		}
	}
	good := NewKey(AES128SHA80).Attribute("1")
	for _, bad := range []string{
		"", "1 AES_128_CM_HMAC_SHA1_80", strings.Replace(good, "inline:", "uri:", 1), good + " UNENCRYPTED_SRTP",
		good + "|1:4", good[:len(good)-4], strings.Replace(good, "_80", "_81", 1),
	} {
		if _, _, err := ParseKey(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestLatch(t *testing.T) {
	described, stranger := netip.MustParseAddrPort("192.0.2.1:4000"), netip.MustParseAddrPort("192.0.2.66:9")
	moved := netip.MustParseAddrPort("192.0.2.1:5000")
	l := latch{expected: described.Addr()}
	began := time.Unix(1000, 0)
	for i, step := range []struct {
		from  netip.AddrPort
		after time.Duration
		taken bool
	}{
		{stranger, 0, true},                       // nobody else has spoken
		{described, time.Millisecond, true},       // the address of the description takes over
		{stranger, 2 * time.Millisecond, false},   // and keeps it
		{moved, 3 * time.Millisecond, false},      // from one port at a time
		{described, 4 * time.Millisecond, true},   //
		{moved, latchSilence + time.Second, true}, // after a silence another one may
		{stranger, latchSilence + time.Second, false},
		{stranger, 3*latchSilence + time.Second, true},
	} {
		if got := l.take(step.from, began.Add(step.after)); got != step.taken {
			t.Errorf("step %d: taken %v", i, got)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add(NewKey(AES256SHA32).Attribute("1"))
	f.Add("1 AES_128_CM_HMAC_SHA1_80 inline:AAAA|2^20|1:4")
	f.Fuzz(func(t *testing.T, text string) {
		if _, key, err := ParseKey(text); err == nil {
			if _, err := key.context(); err != nil {
				t.Errorf("a key that was accepted cannot be used: %v", err)
			}
		}
	})
}
