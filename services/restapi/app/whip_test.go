package app_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/pkg/broker"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/restapi/app"
)

const (
	whipOffer = offer + "a=mid:0\r\na=ice-ufrag:client1\r\na=ice-pwd:passwordpasswordpassword\r\n"
	trickled  = "a=ice-ufrag:client1\r\na=ice-pwd:passwordpasswordpassword\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n" +
		"a=candidate:1 1 udp 2130706431 192.0.2.1 61764 typ host\r\na=end-of-candidates\r\n"
	restarted = "a=ice-ufrag:client2\r\na=ice-pwd:passwordpasswordpassword\r\n"
)

// offers sends an offer as encoders and players do.
func (f *fleet) offers(bearer, path, sdp string, headers ...string) answer {
	f.tb.Helper()
	return f.call(bearer, "POST", path, sdp, append([]string{"Content-Type", "application/sdp"}, headers...)...)
}

// begins is offers with success; it gives path and ETag of the media session.
func (f *fleet) begins(bearer, path string) (location, etag string) {
	f.tb.Helper()
	a := f.offers(bearer, path, whipOffer)
	if a.status != http.StatusCreated {
		f.tb.Fatalf("POST %s: got %d %s", path, a.status, a.body)
	}
	return a.header.Get("Location"), a.header.Get("ETag")
}

func (f *fleet) patches(bearer, location, ifMatch, fragment string) answer {
	f.tb.Helper()
	return f.call(bearer, "PATCH", location, fragment, "Content-Type", "application/trickle-ice-sdpfrag", "If-Match", ifMatch)
}

func (f *fleet) streamKey(session, body string) string {
	f.tb.Helper()
	var made struct{ Key string }
	f.must(http.StatusCreated, apiKey, "POST", "/v1/sessions/"+session+"/stream-keys", body).decode(f.tb, &made)
	return made.Key
}

func bodies[T any](f *fleet, kind string) []T {
	f.tb.Helper()
	var list []T
	for _, m := range f.wrapper.got(kind) {
		var body T
		if err := json.Unmarshal(m.Body, &body); err != nil {
			f.tb.Fatal(err)
		}
		list = append(list, body)
	}
	return list
}

func TestWHIP_AnswersAsTheRFCSays(t *testing.T) {
	f := newFleet(t, 1, func(c *app.Config) {
		c.ICE.Server = []string{"stun:stun.example", "turn:turn.example?transport=udp"}
		c.ICE.Username, c.ICE.Credential = "u", `p"q`
	})
	session := f.session()
	for _, path := range []string{"/v1/sessions/" + session + "/whip", "/v1/sessions/" + session + "/whep"} {
		a := f.offers(apiKey, path, whipOffer)
		if a.status != http.StatusCreated || a.header.Get("Content-Type") != "application/sdp" ||
			!strings.HasPrefix(a.header.Get("Location"), path+"/") || a.header.Get("ETag") != `"1.1"` ||
			a.header.Get("Accept-Patch") != "application/trickle-ice-sdpfrag" || string(a.body) != iceAnswer(1) {
			t.Errorf("%s: %d %v %s", path, a.status, a.header, a.body)
		}
		links := strings.Join(a.header.Values("Link"), "\n")
		want := "<stun:stun.example>; rel=\"ice-server\"\n<turn:turn.example?transport=udp>; rel=\"ice-server\"; " +
			`username="u"; credential="p\"q"; credential-type="password"`
		if links != want {
			t.Errorf("%s: links %s", path, links)
		}
		get := f.call(apiKey, "GET", path, nil)
		f.problem(get, 405, "method_not_allowed")
		if allowed := get.header.Get("Allow"); allowed != "POST, OPTIONS" {
			t.Errorf("%s allows %s", path, allowed)
		}
		f.problem(f.call(apiKey, "PUT", a.header.Get("Location"), nil), 405, "method_not_allowed")
		options := f.must(http.StatusNoContent, "", "OPTIONS", path, nil)
		preflight := f.must(http.StatusOK, "", "OPTIONS", path, nil, "Origin", "https://app.example",
			"Access-Control-Request-Method", "PATCH", "Access-Control-Request-Headers", "authorization,if-match,content-type")
		for _, a := range []answer{options, preflight} {
			if a.header.Get("Accept-Post") != "application/sdp" {
				t.Errorf("OPTIONS %s: %v", path, a.header)
			}
		}
		if preflight.header.Get("Access-Control-Allow-Headers") == "" {
			t.Errorf("the preflight of %s got %v", path, preflight.header)
		}
		a = f.offers(apiKey, path, whipOffer, "Origin", "https://app.example")
		for _, name := range []string{"Location", "Etag", "Link"} {
			if !strings.Contains(a.header.Get("Access-Control-Expose-Headers"), name) {
				t.Errorf("%s is not exposed: %v", name, a.header)
			}
		}
	}
}

// Clients say the same of what they take in every request, and name their SDP with a character set.
func TestWHIP_TakesHeadersAsClientsSendThem(t *testing.T) {
	f := newFleet(t, 1, nil)
	session := f.session()
	accept := []string{"Accept", "application/sdp"}
	for _, path := range []string{"/v1/sessions/" + session + "/whip", "/v1/sessions/" + session + "/whep"} {
		begun := f.call(apiKey, "POST", path, whipOffer, append(accept, "Content-Type", "Application/SDP; charset=utf-8")...)
		if begun.status != http.StatusCreated {
			t.Fatalf("POST %s: %d %s", path, begun.status, begun.body)
		}
		location := begun.header.Get("Location")
		a := f.call(apiKey, "PATCH", location, trickled,
			append(accept, "Content-Type", "application/trickle-ice-sdpfrag", "If-Match", begun.header.Get("ETag"))...)
		if a.status != http.StatusNoContent {
			t.Errorf("PATCH %s: %d %s", location, a.status, a.body)
		}
		f.must(http.StatusOK, apiKey, "DELETE", location, nil, accept...)
	}
}

func TestWHIP_Refusals(t *testing.T) {
	f := newFleet(t, 1, nil)
	session := f.session()
	whip, whep := "/v1/sessions/"+session+"/whip", "/v1/sessions/"+session+"/whep"
	_, token := f.user(session, "ann")
	f.must(http.StatusCreated, apiKey, "POST", "/v1/sessions/"+session+"/users",
		object{"id": "mute", "permissions": object{"publish": false}})
	_, foreign := f.user(f.session(), "ann")
	toWatch := f.streamKey(session, `{"use":"whep"}`)
	toPublish := f.streamKey(session, `{"use":"whip","user":"obs"}`)
	closed := f.session()
	f.must(http.StatusNoContent, apiKey, "DELETE", "/v1/sessions/"+closed, nil)
	padding := strings.Repeat("a=x\r\n", 128*1024/5)
	for name, c := range map[string]struct {
		got    answer
		status int
		code   string
	}{
		"no credentials":   {f.offers("", whip, whipOffer), 401, "unauthorized"},
		"foreign token":    {f.offers(foreign, whip, whipOffer), 403, "forbidden"},
		"another user":     {f.offers(token, whip+"?user=ben", whipOffer), 403, "forbidden"},
		"key to watch":     {f.offers(toWatch, whip, whipOffer), 403, "forbidden"},
		"key to publish":   {f.offers(toPublish, whep, whipOffer), 403, "forbidden"},
		"key for a list":   {f.call(toPublish, "GET", "/v1/sessions/"+session+"/users", nil), 403, "forbidden"},
		"may not publish":  {f.offers(apiKey, whip+"?user=mute", whipOffer), 403, "forbidden"},
		"JSON":             {f.call(apiKey, "POST", whip, object{}), 415, "unsupported_media_type"},
		"wants JSON":       {f.offers(apiKey, whip, whipOffer, "Accept", "application/json"), 406, "not_acceptable"},
		"no SDP":           {f.offers(apiKey, whip, "hello"), 422, "invalid"},
		"nothing":          {f.offers(apiKey, whip, ""), 400, "invalid"},
		"no media":         {f.offers(apiKey, whip, "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"), 422, "invalid"},
		"long SDP":         {f.offers(apiKey, whip, whipOffer+padding), 413, "too_large"},
		"odd user":         {f.offers(apiKey, whip+"?user=a%2Fb", whipOffer), 422, "invalid"},
		"unknown query":    {f.offers(apiKey, whip+"?usr=ann", whipOffer), 422, "invalid"},
		"unknown query 2":  {f.offers(apiKey, whep+"?layer=1", whipOffer), 422, "invalid"},
		"unknown session":  {f.offers(apiKey, "/v1/sessions/none/whip", whipOffer), 404, "not_found"},
		"closed session":   {f.offers(apiKey, "/v1/sessions/"+closed+"/whep", whipOffer), 410, "gone"},
		"unknown WHIP":     {f.patches(apiKey, whip+"/none", "*", restarted), 404, "not_found"},
		"unknown WHEP":     {f.patches(apiKey, whep+"/none", "*", restarted), 404, "not_found"},
		"end of unknown":   {f.call(apiKey, "DELETE", whep+"/none", nil), 404, "not_found"},
		"key of a user":    {f.call(token, "POST", "/v1/sessions/"+session+"/stream-keys", `{"use":"whip"}`), 403, "forbidden"},
		"key of no use":    {f.call(apiKey, "POST", "/v1/sessions/"+session+"/stream-keys", `{"use":"x"}`), 422, "invalid"},
		"key of a viewer":  {f.call(apiKey, "POST", "/v1/sessions/"+session+"/stream-keys", `{"use":"whep","user":"a"}`), 422, "invalid"},
		"key for too long": {f.call(apiKey, "POST", "/v1/sessions/"+session+"/stream-keys", `{"use":"whip","ttl":"9000h"}`), 422, "invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			g := *f
			g.tb = t
			g.problem(c.got, c.status, c.code)
		})
	}
}

// The same POST under the same key happens once, and gets the same answer, headers and all.
func TestWHIP_HappensOnceUnderItsKey(t *testing.T) {
	f := newFleet(t, 2, nil)
	path := "/v1/sessions/" + f.session() + "/whip?user=obs"
	first := f.offers(apiKey, path, whipOffer, "Idempotency-Key", "k")
	again, err := send(t.Context(), f.replicas[1].url, apiKey, "POST", path, whipOffer,
		"Content-Type", "application/sdp", "Idempotency-Key", "k")
	if err != nil || again.status != http.StatusCreated || string(again.body) != string(first.body) {
		t.Fatalf("%d %s, %v", again.status, again.body, err)
	}
	for _, name := range []string{"Location", "ETag", "Content-Type", "Accept-Patch"} {
		if again.header.Get(name) != first.header.Get(name) || again.header.Get(name) == "" {
			t.Errorf("%s is %q, and was %q", name, again.header.Get(name), first.header.Get(name))
		}
	}
	if joins, publishes := f.wrapper.got(message.TypeJoin), f.wrapper.got(message.TypePublish); len(joins) != 1 || len(publishes) != 1 {
		t.Errorf("%d joins, %d offers", len(joins), len(publishes))
	}
	other := f.offers(apiKey, strings.Replace(path, "user=obs", "user=cam", 1), whipOffer, "Idempotency-Key", "k")
	if other.status != http.StatusCreated || other.header.Get("Location") == first.header.Get("Location") {
		t.Errorf("another user under the same key: %d %s", other.status, other.header.Get("Location"))
	}
}

// A Wrapper dies after it answered the join and before it answers the offer: the POST that is sent again goes on there.
func TestWHIP_GoesOnWhereItStopped(t *testing.T) {
	f := newFleet(t, 1, nil)
	path := "/v1/sessions/" + f.session() + "/whip?user=obs"
	f.wrapper.ignore(message.TypePublish, true)
	f.problem(f.offers(apiKey, path, whipOffer, "Idempotency-Key", "k"), 503, "unavailable")
	f.wrapper.ignore(message.TypePublish, false)
	if a := f.offers(apiKey, path, whipOffer, "Idempotency-Key", "k"); a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	joins := bodies[message.Join](f, message.TypeJoin)
	if len(joins) != 2 || joins[1].Replaces != "" || f.wrapper.got(message.TypeJoin)[0].ID != f.wrapper.got(message.TypeJoin)[1].ID {
		t.Errorf("the second try joined anew: %+v", joins)
	}
}

func TestWHIP_DiallingAgainReplaces(t *testing.T) {
	f := newFleet(t, 1, nil)
	session := f.session()
	key := f.streamKey(session, `{"use":"whip","user":"obs"}`)
	path := "/v1/sessions/" + session + "/whip"
	first, _ := f.begins(key, path)
	second, _ := f.begins(key, path)
	f.problem(f.patches(key, first, "*", restarted), 404, "not_found")
	f.problem(f.call(key, "DELETE", first, nil), 404, "not_found")
	f.problem(f.call(f.streamKey(session, `{"use":"whip","user":"other"}`), "DELETE", second, nil), 403, "forbidden")
	f.must(http.StatusOK, key, "DELETE", second, nil)
	f.problem(f.call(key, "DELETE", second, nil), 404, "not_found")
	joins := bodies[message.Join](f, message.TypeJoin)
	if len(joins) != 2 || joins[0].Protocol != control.ProtocolWHIP || joins[1].Replaces == "" || !joins[1].KeepProfile ||
		joins[0].Permissions != (control.Permissions{Publish: true}) {
		t.Errorf("joins %+v", joins)
	}
}

// A user that the API brought in stays when its encoder ends.
func TestWHIP_AsAUserOfTheAPI(t *testing.T) {
	f := newFleet(t, 1, nil)
	session := f.session()
	user, token := f.user(session, "ann")
	location, _ := f.begins(token, "/v1/sessions/"+session+"/whip")
	f.must(http.StatusOK, token, "DELETE", location, nil)
	f.must(http.StatusOK, token, "GET", user, nil)
	if got := f.wrapper.got(message.TypeLeave); len(got) != 0 {
		t.Error("the user was to leave")
	}
	testkit.Eventually(t, func() error { // nobody waits for it to be handled
		if got := bodies[message.Unpublish](f, message.TypeUnpublish); len(got) != 1 || got[0].UpTo != 1 {
			return fmt.Errorf("unpublished %+v", got)
		}
		return nil
	})
}

// No encoder reads messages, so that there is no queue for them, whoever asks for it.
func TestWHIP_HasNoMessages(t *testing.T) {
	f := newFleet(t, 1, nil)
	session := f.session()
	ann, token := f.user(session, "ann")
	f.begins(apiKey, "/v1/sessions/"+session+"/whip?user=obs")
	obs := "/v1/sessions/" + session + "/users/obs"
	f.problem(f.call(token, "POST", ann+"/messages", object{"type": "t", "data": 1, "to": "obs"}), 422, "invalid")
	f.problem(f.call(apiKey, "GET", obs+"/messages", nil), 403, "forbidden")
	f.must(http.StatusOK, apiKey, "POST", obs+"/rejoin", nil)
	f.problem(f.call(apiKey, "GET", obs+"/events", nil, "Accept", "text/event-stream"), 403, "forbidden")
	if syncs := f.wrapper.got(message.TypeSync); len(syncs) != 0 {
		t.Errorf("%d syncs were asked for", len(syncs))
	}
	err := f.wrapper.broker.Send(t.Context(), message.UserQueue(control.SessionID(session), "obs").Name, broker.Message{ID: "m"})
	if !errors.Is(err, broker.ErrUnroutable) {
		t.Errorf("there is a queue: %v", err)
	}
}

// An offer that the media server refuses leaves no user behind.
func TestWHIP_RefusedOfferLeavesNobody(t *testing.T) {
	f := newFleet(t, 1, nil)
	session := f.session()
	f.problem(f.offers(apiKey, "/v1/sessions/"+session+"/whip", whipOffer+"a=refuse\r\n"), 422, "invalid")
	testkit.Eventually(t, func() error { // nobody waits for it to be handled
		if got := bodies[message.Leave](f, message.TypeLeave); len(got) != 1 {
			return fmt.Errorf("leaves %+v", got)
		}
		return nil
	})
}

func TestMediaSession_TricklesAndRestarts(t *testing.T) {
	f := newFleet(t, 1, nil)
	session := f.session()
	for _, path := range []string{"/v1/sessions/" + session + "/whip", "/v1/sessions/" + session + "/whep"} {
		location, etag := f.begins(apiKey, path)
		f.problem(f.call(apiKey, "PATCH", location, trickled, "Content-Type", "application/trickle-ice-sdpfrag"), 428, "invalid")
		f.problem(f.patches(apiKey, location, `"9.9"`, trickled), 412, "conflict")
		f.problem(f.patches(apiKey, location, etag, "hello"), 400, "invalid")
		f.problem(f.patches(apiKey, location, etag, "a=candidate:x\r\n"), 422, "invalid")
		f.problem(f.call(apiKey, "PATCH", location, trickled, "Content-Type", "application/sdp", "If-Match", etag), 415,
			"unsupported_media_type")
		if a := f.patches(apiKey, location, etag, trickled); a.status != http.StatusNoContent {
			t.Fatalf("trickle: %d %s", a.status, a.body)
		}
		for range 2 { // the second is the first sent again
			a := f.patches(apiKey, location, "*", restarted)
			if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/trickle-ice-sdpfrag" ||
				a.header.Get("ETag") != `"1.2"` || !strings.Contains(string(a.body), "a=ice-ufrag:server2\r\n") {
				t.Fatalf("restart: %d %v %s", a.status, a.header, a.body)
			}
		}
		f.problem(f.patches(apiKey, location, etag, trickled), 412, "conflict")
		f.must(http.StatusOK, apiKey, "DELETE", location, nil)
	}
	for _, got := range bodies[message.AddCandidates](f, message.TypeAddCandidates) {
		if len(got.Candidates) != 1 || !got.End || *got.Candidates[0].SDPMid != "0" || got.Epoch != 1 {
			t.Errorf("candidates %+v", got)
		}
	}
	offers := bodies[message.Publish](f, message.TypePublish)
	if len(offers) != 3 || offers[1].Seq != 2 || !strings.Contains(offers[1].SDP, "a=ice-ufrag:client2") ||
		offers[2] != offers[1] {
		t.Errorf("offers %+v", offers)
	}
}
