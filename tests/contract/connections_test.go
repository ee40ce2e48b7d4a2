package contract_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"

	"github.com/orkestro/orkestro/tests/harness"
)

// leastSDP has a media section; only a media server can tell that nobody can answer it.
const leastSDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"

// camera is a peer connection that sends one video track under an msid.
func camera(t *testing.T, msid string) *webrtc.PeerConnection {
	t.Helper()
	connection := peer(t)
	track, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "video", msid)
	if err != nil {
		t.Fatal(err)
	}
	init := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}
	if _, err := connection.AddTransceiverFromTrack(track, init); err != nil {
		t.Fatal(err)
	}
	return connection
}

func peer(t *testing.T) *webrtc.PeerConnection {
	t.Helper()
	connection, err := harness.NewPeerConnection()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return connection
}

// offered is an offer with all its candidates.
func offered(t *testing.T, connection *webrtc.PeerConnection) string {
	t.Helper()
	offer, err := connection.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	sdp, err := harness.SetLocal(t.Context(), connection, offer)
	if err != nil {
		t.Fatal(err)
	}
	return sdp
}

// answered is the answer to an offer.
func answered(t *testing.T, connection *webrtc.PeerConnection, sdp any) string {
	t.Helper()
	offer := webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: sdp.(string)}
	if err := connection.SetRemoteDescription(offer); err != nil {
		t.Fatal(err)
	}
	answer, err := connection.CreateAnswer(nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := harness.SetLocal(t.Context(), connection, answer)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// publish offers under seq and sets the answer; it gives the whole answer of the API.
func (m *member) publish(connection *webrtc.PeerConnection, seq int) answer {
	m.t.Helper()
	body := object{"sdp": offered(m.t, connection), "seq": seq, "epoch": m.epoch}
	a := m.must(http.StatusOK, "PUT", "/publish", body, "Prefer", "wait=10")
	fields(m.t, a.body, "connection seq epoch sdp")
	description := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: a.body["sdp"].(string)}
	if err := connection.SetRemoteDescription(description); err != nil {
		m.t.Fatal(err)
	}
	again := m.must(http.StatusOK, "PUT", "/publish", body, "Prefer", "wait=10")
	if string(again.text) != string(a.text) {
		m.t.Errorf("the same seq is answered %s, then %s", a.text, again.text)
	}
	return a
}

func ofUser(id string) func(object) bool {
	return func(data object) bool {
		stream, _ := data["stream"].(object)
		return stream["user"] == id
	}
}

func connected(kind string) func(object) bool {
	return func(data object) bool { return data["connection"] == kind && data["state"] == "connected" }
}

// TestConnections_OfTwoUsers follows one stream from its offer to its end, in every message that tells of it.
func TestConnections_OfTwoUsers(t *testing.T) {
	session := newSession(t, object{})
	ann, bob := join(t, session, "ann", nil), join(t, session, "bob", nil)
	fields(t, ann.await("joined", nil), "user users iceServers epoch")
	bob.await("joined", nil)

	a := ann.publish(camera(t, "camera"), 1)
	if a.body["connection"] != "publish" || a.body["seq"] != 1.0 || a.body["epoch"] != float64(ann.epoch) {
		t.Errorf("answer %s", a.text)
	}
	answer := ann.await("answer", nil)
	fields(t, answer, "connection seq epoch sdp")
	if answer["sdp"] != a.body["sdp"] {
		t.Error("the message has another answer")
	}
	added := bob.await("stream-added", nil)
	fields(t, added, "stream")
	stream := isStream(t, added["stream"])
	id := stream["id"].(string)
	if stream["user"] != "ann" || stream["state"] != "active" || len(list(t, stream["kinds"])) != 1 {
		t.Errorf("stream %v", stream)
	}
	own := list(t, isUser(t, ann.must(http.StatusOK, "GET", "", nil).body)["streams"])
	if len(own) != 1 || isStream(t, own[0])["id"] != id {
		t.Errorf("ann's streams are %v", own)
	}
	bob.subscribeTo(id)
	fields(t, ann.await("connection-state", connected("publish")), "connection epoch state")

	for _, path := range []string{session, ann.path} {
		pauses(t, ann, bob, path+"/streams/"+id)
	}
	refused(t, 403, "forbidden", bob.token, "PATCH", session+"/streams/"+id, object{"paused": true})
	refused(t, 404, "not_found", bob.token, "PATCH", bob.path+"/streams/"+id, object{"paused": true})
	refused(t, 422, "invalid", ann.token, "PATCH", ann.path+"/streams/"+id, object{"paused": true, "kinds": []string{"data"}})

	// A rejoin ends it; the same user under the same msid has the same id again.
	ann.must(http.StatusOK, "POST", "/rejoin", nil)
	fields(t, bob.await("stream-removed", ofUser("ann")), "stream")
	users := list(t, ann.await("joined", nil)["users"])
	if len(users) != 2 {
		t.Errorf("joined tells of %v", users)
	}
	ann.publish(camera(t, "camera"), 1)
	if again := isStream(t, bob.await("stream-added", ofUser("ann"))["stream"]); again["id"] != id {
		t.Errorf("the stream was %s and is %v", id, again)
	}
	ann.must(http.StatusNoContent, "DELETE", "/publish", nil)
	ann.must(http.StatusNoContent, "DELETE", "/publish", nil)
	bob.await("stream-removed", ofUser("ann"))
}

// subscribeTo answers the server's offer that has the stream, and asks for another one.
func (m *member) subscribeTo(stream string) {
	m.t.Helper()
	offer := m.await("offer", func(data object) bool { return strings.Contains(data["sdp"].(string), "msid:"+stream+" ") })
	fields(m.t, offer, "connection seq epoch sdp")
	body := object{"sdp": answered(m.t, peer(m.t), offer["sdp"]), "seq": offer["seq"], "epoch": offer["epoch"]}
	if offer["connection"] != "subscribe" {
		m.t.Errorf("offer of %v", offer["connection"])
	}
	late := object{"sdp": body["sdp"], "seq": offer["seq"].(float64) + 1, "epoch": offer["epoch"]}
	m.refused(409, "conflict", "PUT", "/subscribe", late)
	m.must(http.StatusNoContent, "PUT", "/subscribe", body)
	m.must(http.StatusNoContent, "PUT", "/subscribe", body)
	m.await("connection-state", connected("subscribe"))

	m.must(http.StatusNoContent, "DELETE", "/subscribe", nil)
	m.must(http.StatusAccepted, "POST", "/subscribe/offer", object{"epoch": m.epoch, "fresh": true})
	offer = m.await("offer", nil)
	body = object{"sdp": answered(m.t, peer(m.t), offer["sdp"]), "seq": offer["seq"], "epoch": offer["epoch"]}
	m.must(http.StatusNoContent, "PUT", "/subscribe", body)
	m.await("connection-state", connected("subscribe"))
}

// pauses pauses a stream and has it go on.
func pauses(t *testing.T, owner, other *member, path string) {
	t.Helper()
	for _, state := range []string{"paused", "active"} {
		must(t, http.StatusNoContent, owner.token, "PATCH", path, object{"paused": state == "paused"})
		for _, m := range []*member{owner, other} {
			data := m.await("stream-updated", nil)
			fields(t, data, "stream")
			if isStream(t, data["stream"])["state"] != state {
				t.Errorf("stream-updated has %v, want %s", data["stream"], state)
			}
		}
	}
}

func TestConnections_Seq(t *testing.T) {
	session := newSession(t, object{})
	ann := join(t, session, "ann", nil)
	connection := camera(t, "camera")
	body := object{"sdp": offered(t, connection), "seq": 2, "epoch": ann.epoch}
	ann.refused(409, "conflict", "PUT", "/publish", body)
	body["seq"] = 1
	a := ann.must(http.StatusAccepted, "PUT", "/publish", body)
	fields(t, a.body, "connection seq")
	ann.await("answer", nil)
	body["seq"] = 3
	ann.refused(409, "conflict", "PUT", "/publish", body)
	body["seq"] = 2
	ann.must(http.StatusOK, "PUT", "/publish", body, "Prefer", "wait=10")
	ann.must(http.StatusOK, "POST", "/rejoin", nil)
	ann.refused(409, "conflict", "PUT", "/publish", object{"sdp": body["sdp"], "seq": 3, "epoch": ann.epoch})
	ann.publish(camera(t, "camera"), 1)
}

func TestConnections_RefuseWhatIsNotInTheContract(t *testing.T) {
	session := newSession(t, object{})
	ann := join(t, session, "ann", nil)
	const candidate = `{"candidate":"candidate:1 1 udp 2113937151 x.local 5000 typ host","sdpMid":"0","sdpMLineIndex":0}`
	ann.must(http.StatusNoContent, "POST", "/publish/candidates", `{"epoch":1,"candidates":[`+candidate+`],"end":true}`)
	ann.must(http.StatusNoContent, "POST", "/subscribe/candidates", `{"epoch":1,"candidates":[`+candidate+`]}`)
	for _, c := range []struct {
		status           int
		code, call, body string
	}{
		{422, "invalid", "PUT /publish", `{"sdp":"nonsense","seq":1,"epoch":1}`},
		{422, "invalid", "PUT /publish", `{"sdp":"","seq":1,"epoch":1}`},
		{422, "invalid", "PUT /publish", `{"sdp":null,"seq":1,"epoch":1}`},
		{422, "invalid", "PUT /publish", `{"sdp":"x","epoch":1}`},
		{422, "invalid", "PUT /publish", `{"sdp":"x","seq":0,"epoch":1}`},
		{422, "invalid", "PUT /publish", `{"sdp":"x","seq":"1","epoch":1}`},
		{413, "too_large", "PUT /publish", `{"sdp":"` + strings.Repeat("v", 128*1024+1) + `","seq":1,"epoch":1}`},
		{409, "conflict", "PUT /subscribe", `{"sdp":"` + strings.ReplaceAll(leastSDP, "\r\n", `\r\n`) + `","seq":1,"epoch":1}`},
		{409, "stale_epoch", "PUT /publish", `{"sdp":"` + strings.ReplaceAll(leastSDP, "\r\n", `\r\n`) + `","seq":1,"epoch":2}`},
		{409, "stale_epoch", "PUT /subscribe", `{"sdp":"` + strings.ReplaceAll(leastSDP, "\r\n", `\r\n`) + `","seq":1,"epoch":2}`},
		{409, "stale_epoch", "POST /publish/candidates", `{"epoch":0,"candidates":[]}`},
		{409, "stale_epoch", "POST /subscribe/candidates", `{"epoch":2,"candidates":[]}`},
		{409, "stale_epoch", "POST /subscribe/offer", `{"epoch":2}`},
		{422, "invalid", "POST /subscribe/offer", `{}`},
		{422, "invalid", "POST /subscribe/offer", `{"epoch":1,"fresh":"yes"}`},
		{422, "invalid", "POST /publish/candidates", `{"epoch":1,"candidates":[{"candidate":"x"}]}`},
		{422, "invalid", "POST /publish/candidates", `{"epoch":1,"candidates":[{"candidate":"","sdpMLineIndex":70000}]}`},
		{422, "invalid", "POST /publish/candidates", `{"epoch":1,"candidates":{}}`},
		{422, "invalid", "PUT /subscriptions", `{"mode":"some"}`},
		{422, "invalid", "PUT /subscriptions", `{}`},
		{422, "invalid", "PUT /subscriptions", `{"mode":"list","streams":[{"kinds":["audio"]}]}`},
		{422, "invalid", "PUT /subscriptions", `{"mode":"list","streams":[{"id":"x","kinds":["smell"]}]}`},
		{422, "invalid", "PUT /subscriptions", `{"mode":"list","streams":[{"id":"x","maxLayer":-1}]}`},
	} {
		method, path, _ := strings.Cut(c.call, " ")
		ann.refused(c.status, c.code, method, path, c.body)
	}
	ann.must(http.StatusNoContent, "PUT", "/subscriptions", `{"mode":"list","streams":[{"id":"x","kinds":["audio"],"maxLayer":1}]}`)
	ann.must(http.StatusNoContent, "PUT", "/subscriptions", `{"mode":"all"}`)

	// What only the media server can tell comes as a message.
	ann.must(http.StatusAccepted, "PUT", "/publish", object{"sdp": leastSDP, "seq": 1, "epoch": ann.epoch})
	failure := ann.await("error", nil)
	fields(t, failure, "code detail request?")
	if failure["code"] != "invalid" {
		t.Errorf("error %v", failure)
	}
}
