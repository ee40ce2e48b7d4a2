//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/testkit"
)

// The bare servers bring every packet to every receiver, with the time of sending.
func TestBareSender_Delivers(t *testing.T) {
	for _, segmented := range []bool{false, true} {
		for name, m := range modes() {
			var receivers []*subscriber
			var addresses []netip.AddrPort
			for range messagesPerCall + 1 { // more than one call takes
				k, address, err := newBareReceiver()
				if err != nil {
					t.Fatal(err)
				}
				receivers, addresses = append(receivers, k), append(addresses, address)
			}
			s, err := newBareSender(addresses, segmented)
			if err != nil {
				t.Fatal(err)
			}
			m.interval = time.Millisecond
			sent, err := s.send(t.Context(), m, sampledEvery*m.interval)
			if err != nil || sent != sampledEvery*m.packets {
				t.Fatalf("%s: %d packets sent, %v", name, sent, err)
			}
			for _, k := range receivers {
				testkit.Eventually(t, func() error {
					if n := int(k.received.Load()); n != sent {
						return fmt.Errorf("segmented %v, %s: %d of %d packets received", segmented, name, n, sent)
					}
					return nil
				})
				for _, latency := range k.take() {
					if latency <= 0 || latency > time.Minute {
						t.Errorf("a latency of %v", latency)
					}
				}
			}
		}
	}
}

func TestChoose(t *testing.T) {
	if all, err := choose(""); err != nil || len(all) != 4 {
		t.Errorf("%v, %v", all, err)
	}
	if some, err := choose("bare-gso,orkestro"); err != nil || len(some) != 2 || some[0].name != bareGSO {
		t.Errorf("%v, %v", some, err)
	}
	for _, wrong := range []string{"orkestra", "pion,", "bare gso"} {
		if _, err := choose(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}
