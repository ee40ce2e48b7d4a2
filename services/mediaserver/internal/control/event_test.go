package control_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/control"
)

func TestEvent_ObjectsOfAllSessions(t *testing.T) {
	b := newBench(t, control.Config{})
	watcher, p := b.dial(t), b.dial(t)
	for range 2 { // twice subscribed is still told once
		watcher.must("subscribe", object{"object": manager, "type": "ObjectCreated"})
		watcher.must("subscribe", object{"object": manager, "type": "ObjectDestroyed"})
	}
	pipeline := p.create("MediaPipeline", nil)
	p.create("WebRtcEndpoint", object{"mediaPipeline": pipeline})
	p.must("release", object{"object": pipeline})
	testkit.Eventually(t, func() error {
		if n := watcher.count(manager, "ObjectDestroyed"); n != 2 {
			return fmt.Errorf("%d objects destroyed", n)
		}
		return nil
	})
	if n := watcher.count(manager, "ObjectCreated"); n != 2 {
		t.Errorf("%d objects created", n)
	}
	data := watcher.first(manager, "ObjectCreated")
	if _, text := data["timestampMillis"].(string); !text || data["object"] != pipeline ||
		data["source"] != manager || data["type"] != "ObjectCreated" || fmt.Sprint(data["tags"]) != "[]" {
		t.Errorf("data %v", data)
	}
}

func TestEvent_CarriesTagsWhenAsked(t *testing.T) {
	p := newBench(t, control.Config{}).dial(t)
	pipeline := p.create("MediaPipeline", nil)
	e := p.create("WebRtcEndpoint", object{"mediaPipeline": pipeline})
	p.invoke(e, "addTag", object{"key": "room", "value": "1"})
	p.invoke(e, "setSendTagsInEvents", object{"sendTagsInEvents": true})
	p.must("subscribe", object{"object": e, "type": "ElementConnected"})
	p.invoke(e, "connect", object{"sink": e})
	testkit.Eventually(t, func() error { return p.saw(e, "ElementConnected") })
	if data := p.first(e, "ElementConnected"); !strings.Contains(fmt.Sprint(data["tags"]), "room") || data["sink"] != e {
		t.Errorf("data %v", data)
	}
}

// Every event that a class declares can be subscribed, even if it never comes: a refusal ends a Node process.
func TestEvent_AllDeclaredCanBeSubscribed(t *testing.T) {
	p := newBench(t, control.Config{}).dial(t)
	e := p.create("WebRtcEndpoint", object{"mediaPipeline": p.create("MediaPipeline", nil)})
	for _, name := range strings.Fields(`Error ElementConnected ElementDisconnected MediaFlowInStateChanged
		MediaFlowOutStateChanged MediaTranscodingStateChanged MediaSessionStarted MediaSessionTerminated MediaStateChanged
		ConnectionStateChanged IceCandidateFound IceGatheringDone IceComponentStateChanged NewCandidatePairSelected
		DtlsConnectionStateChange DataChannelOpened DataChannelClosed`) {
		p.must("subscribe", object{"object": e, "type": name})
	}
}

func TestEvent_Unsubscribe(t *testing.T) {
	p := newBench(t, control.Config{}).dial(t)
	id := p.must("subscribe", object{"object": manager, "type": "ObjectCreated"})["value"]
	p.create("MediaPipeline", nil)
	testkit.Eventually(t, func() error { return p.saw(manager, "ObjectCreated") })
	p.must("unsubscribe", object{"object": manager, "subscription": id})
	p.create("MediaPipeline", nil)
	p.must("ping", nil) // answered after anything the creation had sent
	if n := p.count(manager, "ObjectCreated"); n != 1 {
		t.Errorf("%d events", n)
	}
}

// Offer, answer and candidates between endpoints of two servers.
func TestEvent_NegotiationBringsCandidates(t *testing.T) {
	a, b := newCaller(t), newCaller(t)
	offer := a.invoke(a.endpoint, "generateOffer", nil)
	answer := b.invoke(b.endpoint, "processOffer", object{"offer": offer})
	if text := fmt.Sprint(answer); strings.Contains(text, "a=candidate") || !strings.Contains(text, "a=sendrecv") {
		t.Errorf("answer %s", text)
	}
	a.invoke(a.endpoint, "processAnswer", object{"answer": answer})
	for _, c := range []*caller{a, b} {
		c.invoke(c.endpoint, "gatherCandidates", nil)
		testkit.Eventually(t, func() error { return c.saw(c.endpoint, "IceGatheringDone") })
	}
	a.invoke(a.endpoint, "addIceCandidate", object{"candidate": b.first(b.endpoint, "IceCandidateFound")["candidate"]})
	b.invoke(b.endpoint, "addIceCandidate", object{"candidate": a.first(a.endpoint, "IceCandidateFound")["candidate"]})
	for _, c := range []*caller{a, b} {
		testkit.Eventually(t, func() error { return c.saw(c.endpoint, "ConnectionStateChanged") })
		if got := c.invoke(c.endpoint, "getConnectionState", nil); got != "CONNECTED" {
			t.Errorf("connection %v", got)
		}
	}
}

// caller is a client with one WebRtcEndpoint on a server of its own.
type caller struct {
	*peer
	endpoint string
}

func newCaller(t *testing.T) *caller {
	t.Helper()
	p := newBench(t, control.Config{}).dial(t)
	c := &caller{peer: p, endpoint: p.create("WebRtcEndpoint", object{"mediaPipeline": p.create("MediaPipeline", nil)})}
	for _, name := range []string{"IceCandidateFound", "IceGatheringDone", "ConnectionStateChanged"} {
		p.must("subscribe", object{"object": c.endpoint, "type": name})
	}
	return c
}
