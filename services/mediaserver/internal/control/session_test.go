package control_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/mediaserver/internal/control"
)

// What the JavaScript client does first, before it gives its user a client.
func TestSession_StartOfKurentoClient(t *testing.T) {
	p := newBench(t, control.Config{}).dial(t)
	if pong := p.must("ping", object{"interval": 5000}); pong["value"] != "pong" || pong["sessionId"] != nil {
		t.Errorf("ping before any session: %v", pong)
	}
	described := p.must("describe", object{"object": manager})
	if described["type"] != "ServerManager" || described["qualifiedType"] != "kurento.ServerManager" ||
		described["sessionId"] == nil {
		t.Errorf("describe: %v", described)
	}
	info, _ := p.invoke(manager, "getInfo", nil).(object)
	modules, _ := json.Marshal(info["modules"])
	for _, name := range []string{"core", "elements", "filters", "orkestro"} {
		if !strings.Contains(string(modules), fmt.Sprintf(`"name":%q`, name)) {
			t.Errorf("module %s is missing: %s", name, modules)
		}
	}
	if p.must("ping", nil)["sessionId"] != described["sessionId"] {
		t.Error("ping does not tell the session of the connection")
	}
}

// Clients send several requests before the first answer; all must be in one session, and every result name it.
func TestSession_PipelinedRequestsShareOne(t *testing.T) {
	conn := newBench(t, control.Config{}).open(t)
	requests := []string{
		`"create","params":{"type":"MediaPipeline"}`, `"release","params":{"object":"gone"}`,
		`"unsubscribe","params":{"object":"gone","subscription":"none"}`, `"connect"`, `"describe","params":{"object":"manager_ServerManager"}`,
	}
	for i, r := range requests {
		if err := conn.Write(fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":%s}`, i, r)); err != nil {
			t.Fatal(err)
		}
	}
	sessions := map[string]bool{}
	for range requests {
		frame, err := conn.Read()
		if err != nil {
			t.Fatal(err)
		}
		var answer struct{ Result struct{ SessionID string } }
		if err := json.Unmarshal(frame, &answer); err != nil {
			t.Fatal(err)
		}
		sessions[answer.Result.SessionID] = true
	}
	if len(sessions) != 1 || sessions[""] {
		t.Errorf("sessions %v", sessions)
	}
}

func TestSession_ReconnectKeepsSubscriptions(t *testing.T) {
	b := newBench(t, control.Config{})
	old := b.dial(t)
	pipeline := old.create("MediaPipeline", nil)
	session := old.must("subscribe", object{"object": manager, "type": "ObjectDestroyed"})["sessionId"]

	fresh := b.dial(t)
	if fresh.must("ping", nil)["sessionId"] != nil {
		t.Error("a new connection has a session before it connects")
	}
	if again := fresh.must("connect", object{"sessionId": session}); again["sessionId"] != session || again["serverId"] != "life-1" {
		t.Errorf("connect: %v", again)
	}
	fresh.must("release", object{"object": pipeline})
	testkit.Eventually(t, func() error { return fresh.saw(manager, "ObjectDestroyed") })
	if old.count(manager, "ObjectDestroyed") != 0 {
		t.Error("the event went to the old connection too")
	}
}

func TestSession_UnknownIDs(t *testing.T) {
	p := newBench(t, control.Config{}).dial(t)
	p.refused(40007, "connect", object{"sessionId": "lost"})
	p.refused(40007, "keepAlive", object{"sessionId": "lost"})
	if adopted := p.must("describe", object{"object": manager, "sessionId": "lost"}); adopted["sessionId"] != "lost" {
		t.Errorf("an unknown session was not adopted: %v", adopted)
	}
	p.must("keepAlive", object{"sessionId": "lost"})
	p.refused(40007, "describe", object{"object": manager, "sessionId": strings.Repeat("x", 200)})
}

func TestSession_ExpiryReleasesWhatNobodyElseReferences(t *testing.T) {
	b := newBench(t, control.Config{SessionPeriod: 50 * time.Millisecond})
	gone, stays := b.dial(t), b.dial(t)
	lost := gone.create("MediaPipeline", nil)
	shared := gone.create("MediaPipeline", nil)
	endpoint := gone.create("WebRtcEndpoint", object{"mediaPipeline": shared})
	fleet := gone.create("MediaPipeline", object{"session": "s", "epoch": 1})
	stays.must("describe", object{"object": shared})
	_ = gone.Close()

	testkit.Eventually(t, func() error {
		if _, there := b.media.Object(lost); there {
			return errors.New("the pipeline of the expired session is still there")
		}
		return nil
	})
	for _, id := range []string{shared, endpoint, fleet} {
		if _, there := b.media.Object(id); !there {
			t.Errorf("%s was released", id)
		}
	}
}

func TestSession_Close(t *testing.T) {
	b := newBench(t, control.Config{})
	p, other := b.dial(t), b.dial(t)
	mine, shared := p.create("MediaPipeline", nil), p.create("MediaPipeline", nil)
	other.must("ref", object{"object": shared})
	session := p.must("connect", nil)["sessionId"]
	p.must("closeSession", object{"sessionId": session})
	p.refused(40101, "describe", object{"object": mine})
	other.must("describe", object{"object": shared})
	other.must("unref", object{"object": shared})
	other.refused(40101, "describe", object{"object": shared})

	last := p.create("MediaPipeline", nil)
	other.must("describe", object{"object": last})
	p.must("closeSession", object{"release": true})
	other.refused(40101, "describe", object{"object": last})
}
