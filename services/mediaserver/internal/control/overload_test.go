package control_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/services/mediaserver/internal/control"
)

// Ten thousand listeners hold nothing up: not each other, not the release of what they listen to.
func TestSubscriptions_TenThousand(t *testing.T) {
	b := newBench(t, control.Config{})
	p := b.dial(t)
	const endpoints, perEndpoint = 100, 100
	pipeline := p.create("MediaPipeline", nil)
	for range endpoints {
		endpoint := p.create("WebRtcEndpoint", object{"mediaPipeline": pipeline})
		for range perEndpoint {
			p.must("subscribe", object{"object": endpoint, "type": "IceCandidateFound"})
		}
	}
	began := time.Now()
	p.must("release", object{"object": pipeline})
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("release took %s", took)
	}
}

// A client that sends without reading its answers, frame after frame, is slowed down or cut off; another one is served.
func TestServe_FloodDisturbsNobodyElse(t *testing.T) {
	b := newBench(t, control.Config{})
	flooding := b.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	var flood sync.WaitGroup
	flood.Go(func() {
		big := strings.Repeat("x", 1<<20-200)
		for i := 0; ctx.Err() == nil; i++ {
			frame := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"describe","params":{"object":"%s"}}`, i, big)
			if i%10 > 0 {
				frame = fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"ping"}`, i)
			}
			if flooding.Write([]byte(frame)) != nil {
				return // cut off
			}
		}
	})
	p := b.dial(t)
	for range 100 {
		began := time.Now()
		p.create("MediaPipeline", nil)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("a call of another client took %s", took)
		}
	}
	cancel()
	flood.Wait()
}
