package control_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/control"
)

func TestEndpoint_LimitsAreInTheDescription(t *testing.T) {
	p := newBench(t, control.Config{}).dial(t)
	pipeline := p.create("MediaPipeline", nil)
	for _, kind := range []string{"WebRtcEndpoint", "RtpEndpoint"} {
		e := p.create(kind, object{"mediaPipeline": pipeline})
		for i, name := range []string{
			"maxAudioRecvBandwidth", "maxVideoRecvBandwidth", "minVideoRecvBandwidth", "minVideoSendBandwidth", "maxVideoSendBandwidth",
		} {
			if got := p.invoke(e, "get"+strings.ToUpper(name[:1])+name[1:], nil); got != 0.0 {
				t.Errorf("first %s %v", name, got)
			}
			p.invoke(e, "set"+strings.ToUpper(name[:1])+name[1:], object{name: 100 + i})
		}
		offer := fmt.Sprint(p.invoke(e, "generateOffer", nil))
		_, video, _ := strings.Cut(offer, "m=video")
		if strings.Count(offer, "b=AS:") != 2 || !strings.Contains(video, "b=AS:101\r\n") {
			t.Errorf("offer of %s\n%s", kind, offer)
		}
		if got := p.invoke(e, "getMaxVideoSendBandwidth", nil); got != 104.0 {
			t.Errorf("after the negotiation %v", got)
		}
		p.invoke(e, "setMaxVideoSendBandwidth", object{"maxVideoSendBandwidth": 0})
		p.refused(40107, "invoke", object{
			"object": e, "operation": "setMaxVideoSendBandwidth", "operationParams": object{"maxVideoSendBandwidth": -1},
		})
	}
}

// The candidates of an endpoint are told under the address that its client has set, without those of other interfaces.
func TestWebRTCEndpoint_CandidatesAsTheClientWants(t *testing.T) {
	p := newBench(t, control.Config{}).dial(t)
	pipeline := p.create("MediaPipeline", nil)
	candidates := func(settings object) string {
		e := p.create("WebRtcEndpoint", object{"mediaPipeline": pipeline})
		for name, value := range settings {
			p.invoke(e, "set"+strings.ToUpper(name[:1])+name[1:], object{name: value})
			if got := p.invoke(e, "get"+strings.ToUpper(name[:1])+name[1:], nil); got != value {
				t.Errorf("%s is %v, want %v", name, got, value)
			}
		}
		for _, event := range []string{"IceCandidateFound", "IceGatheringDone"} {
			p.must("subscribe", object{"object": e, "type": event})
		}
		p.invoke(e, "generateOffer", nil)
		p.invoke(e, "gatherCandidates", nil)
		testkit.Eventually(t, func() error { return p.saw(e, "IceGatheringDone") })
		if p.count(e, "IceCandidateFound") == 0 {
			return ""
		}
		return fmt.Sprint(p.first(e, "IceCandidateFound")["candidate"])
	}
	if got := candidates(nil); !strings.Contains(got, " 127.0.0.1 ") {
		t.Errorf("candidate %s", got)
	}
	if got := candidates(object{"externalIPv4": "203.0.113.5", "iceTcp": false}); !strings.Contains(got, " 203.0.113.5 ") {
		t.Errorf("candidate %s", got)
	}
	if got := candidates(object{"networkInterfaces": "none0,none1"}); got != "" {
		t.Errorf("candidate of another interface %s", got)
	}
	e := p.create("WebRtcEndpoint", object{"mediaPipeline": pipeline})
	for _, bad := range []string{"2001:db8::1", "example.org"} {
		p.refused(40107, "invoke", object{
			"object": e, "operation": "setExternalIPv4", "operationParams": object{"externalIPv4": bad},
		})
	}
	p.refused(40001, "create", object{
		"type": "WebRtcEndpoint", "constructorParams": object{"mediaPipeline": pipeline, "certificateKeyType": "DSA"},
	})
}

// Two endpoints of two servers, one with an RSA certificate, connect, and tell about it.
func TestWebRTCEndpoint_StatisticsOfTheTransport(t *testing.T) {
	a, b := newCaller(t), newCaller(t)
	b.endpoint = b.create("WebRtcEndpoint", object{
		"mediaPipeline": b.create("MediaPipeline", nil), "certificateKeyType": "RSA", "qosDscp": "NO_VALUE",
	})
	for _, name := range []string{"IceCandidateFound", "IceGatheringDone", "ConnectionStateChanged"} {
		b.must("subscribe", object{"object": b.endpoint, "type": name})
	}
	answer := b.invoke(b.endpoint, "processOffer", object{"offer": a.invoke(a.endpoint, "generateOffer", nil)})
	a.invoke(a.endpoint, "processAnswer", object{"answer": answer})
	for _, c := range []*caller{a, b} {
		c.invoke(c.endpoint, "gatherCandidates", nil)
		testkit.Eventually(t, func() error { return c.saw(c.endpoint, "IceGatheringDone") })
	}
	a.invoke(a.endpoint, "addIceCandidate", object{"candidate": b.first(b.endpoint, "IceCandidateFound")["candidate"]})
	b.invoke(b.endpoint, "addIceCandidate", object{"candidate": a.first(a.endpoint, "IceCandidateFound")["candidate"]})
	testkit.Eventually(t, func() error { return b.saw(b.endpoint, "ConnectionStateChanged") })
	testkit.Eventually(t, func() error { return transportComplete(b) })
}

// transportComplete says what is missing or wrong in the statistics of a connected endpoint.
func transportComplete(c *caller) error {
	byType := map[any]object{}
	for id, entry := range c.invoke(c.endpoint, "getStats", nil).(object) {
		e := entry.(object)
		if e["id"] != id || e["__type__"] == nil || e["timestampMillis"] == nil {
			return fmt.Errorf("entry %s: %v", id, e)
		}
		byType[e["type"]] = e
	}
	for _, kind := range []string{"endpoint", "transport", "candidatepair", "localcandidate", "remotecandidate"} {
		if byType[kind] == nil {
			return fmt.Errorf("no %s in %v", kind, byType)
		}
	}
	transport, pair := byType["transport"], byType["candidatepair"]
	if pair["state"] != "succeeded" || pair["nominated"] != true || transport["selectedCandidatePairId"] != pair["id"] {
		return fmt.Errorf("pair %v, transport %v", pair, transport)
	}
	if local := byType["localcandidate"]; local["candidateType"] != "host" || local["portNumber"] == 0.0 {
		return fmt.Errorf("local candidate %v", local)
	}
	if sent, _ := transport["bytesSent"].(float64); sent == 0 {
		return fmt.Errorf("transport %v", transport)
	}
	return nil
}

// Every event that a class declares can be subscribed, even if it never comes: a refusal ends a Node process.
func TestEvent_EveryClassDeclaresItsOwn(t *testing.T) {
	p := newBench(t, control.Config{}).dial(t)
	pipeline := p.create("MediaPipeline", nil)
	const element = "Error ElementConnected ElementDisconnected MediaFlowInStateChanged MediaFlowOutStateChanged MediaTranscodingStateChanged "
	for kind, events := range map[string]string{
		"PassThrough": element, "Dispatcher": "Error", "DispatcherOneToMany": "Error", "Mixer": "Error",
		"RtpEndpoint": element + "MediaSessionStarted MediaSessionTerminated MediaStateChanged ConnectionStateChanged OnKeySoftLimit",
	} {
		id := p.create(kind, object{"mediaPipeline": pipeline})
		for name := range strings.FieldsSeq(events) {
			p.must("subscribe", object{"object": id, "type": name})
		}
		p.refused(40106, "subscribe", object{"object": id, "type": "IceCandidateFound"})
	}
	port := p.create("HubPort", object{"hub": p.create("Mixer", object{"mediaPipeline": pipeline})})
	for name := range strings.FieldsSeq(element) {
		p.must("subscribe", object{"object": port, "type": name})
	}
	p.must("subscribe", object{"object": pipeline, "type": "Error"})
	p.must("subscribe", object{"object": manager, "type": "Error"})
}
