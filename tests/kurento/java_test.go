package kurento_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/pkg/testkit"
)

// The flow of the one-to-one tutorial for Java, with a transaction for what it does at once, and the state that such
// applications listen to.
func TestJava_OneToOne(t *testing.T) {
	t.Parallel()
	c := newJavaClient(t, server.URL())
	if pong, err := c.ask("ping", fields{"interval": 240000}); err != nil || pong["value"] != "pong" {
		t.Errorf("ping: %v, %v", pong, err)
	}
	c.connect()
	made := c.transaction(
		newObject("kurento.MediaPipeline", nil),
		newObject("kurento.WebRtcEndpoint", fields{"mediaPipeline": "newref:0"}),
		newObject("kurento.WebRtcEndpoint", fields{"mediaPipeline": "newref:0", "recvonly": false}),
		fields{"method": "invoke", "params": fields{
			"object": "newref:1", "operation": "connect", "operationParams": fields{"sink": "newref:2"},
		}},
	)
	pipeline, from, to := made[0], made[1], made[2]
	sender, viewer := newCaller(t), newCaller(t)
	sender.send(t)
	if _, err := viewer.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo,
		webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
		t.Fatal(err)
	}
	callers := map[string]*caller{from: sender, to: viewer}
	for endpoint := range callers {
		for _, event := range []string{
			"Error", "IceCandidateFound", "IceGatheringDone", "MediaStateChanged", "ConnectionStateChanged",
			"MediaFlowInStateChanged", "MediaFlowOutStateChanged", "NewCandidatePairSelected",
		} {
			c.must("subscribe", fields{"object": endpoint, "type": event})
		}
	}
	for endpoint, browser := range callers {
		c.negotiate(endpoint, browser)
	}
	c.serveUntil(callers, viewer.received)
	c.must("release", fields{"object": pipeline})
	c.must("closeSession", nil)
	if _, err := newJavaClient(t, server.URL()).ask("invoke", fields{"object": pipeline, "operation": "getName"}); code(err) != 40101 {
		t.Errorf("the pipeline after its release: %v", err)
	}
}

// A session that is lost: the client for Java connects again without one, on the same connection.
func TestJava_ConnectsAnewWhenItsSessionIsLost(t *testing.T) {
	t.Parallel()
	c := newJavaClient(t, server.URL())
	c.session = "of another life of the server"
	if _, err := c.ask("connect", nil); code(err) != 40007 {
		t.Fatalf("connect: %v", err)
	}
	c.session = nil
	if first := c.connect(); first["serverId"] == "" || first["sessionId"] == "" {
		t.Errorf("connect: %v", first)
	}
	c.transaction(newObject("MediaPipeline", nil))
}

// Clients that are gone without a word lose what only they had; those that are there and silent keep it.
func TestJava_SessionPeriod(t *testing.T) {
	t.Parallel()
	alone := newServer(t, "--session-period=500ms")
	silent := newJavaClient(t, alone.URL())
	silent.connect()
	kept := silent.transaction(newObject("MediaPipeline", nil))[0]
	gone := newJavaClient(t, alone.URL())
	gone.connect()
	lost := gone.transaction(newObject("MediaPipeline", nil))[0]
	_ = gone.Close()
	watcher := newJavaClient(t, alone.URL())
	watcher.connect()
	testkit.Eventually(t, func() error {
		pipelines, _ := watcher.invoke("manager_ServerManager", "getPipelines", nil).([]any)
		if slices.Contains(pipelines, any(lost)) {
			return fmt.Errorf("%s is still there", lost)
		}
		if !slices.Contains(pipelines, any(kept)) {
			t.Fatalf("%s is gone with %s", kept, lost)
		}
		return nil
	})
	if text := readLog(t, alone); !strings.Contains(text, lost) || strings.Contains(text, kept) {
		t.Errorf("the log should tell of %s alone:\n%s", lost, text)
	}
}
