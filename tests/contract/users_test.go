package contract_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

const joinedFields = "user token expiresAt iceServers epoch"

func TestUser_JoinAndRejoin(t *testing.T) {
	session := newSession(t, object{"maxUsers": 2})
	before := time.Now()
	a := must(t, http.StatusCreated, key, "POST", session+"/users",
		object{"id": "ann", "name": "Ann", "metadata": object{"a": 1}, "permissions": object{"publish": false}, "tokenTTL": "30s"})
	fields(t, a.body, joinedFields)
	user := isUser(t, a.body["user"])
	permissions := user["permissions"].(object)
	if user["id"] != "ann" || user["name"] != "Ann" || user["state"] != "joined" || len(list(t, user["streams"])) != 0 ||
		permissions["publish"] != false || permissions["subscribe"] != true || permissions["message"] != true {
		t.Errorf("user %v", user)
	}
	life := isTime(t, a.body["expiresAt"]).Sub(before)
	if life < 29*time.Second || life > 40*time.Second {
		t.Errorf("a token of 30s lives %s", life)
	}
	list(t, a.body["iceServers"])

	bob := must(t, http.StatusCreated, key, "POST", session+"/users", object{}).body["user"].(object)["id"].(string)
	if !uuidV7.MatchString(bob) {
		t.Errorf("user id %q", bob)
	}
	refused(t, 409, "conflict", key, "POST", session+"/users", object{"id": "carl"})
	a = must(t, http.StatusOK, key, "POST", session+"/users", object{"id": "ann", "name": "Ann"})
	fields(t, a.body, joinedFields)
	a = must(t, http.StatusOK, a.body["token"].(string), "POST", session+"/users/ann/rejoin", nil)
	fields(t, a.body, joinedFields)
	if isUser(t, a.body["user"])["name"] != "Ann" {
		t.Errorf("a rejoin by token changed the user: %s", a.text)
	}
	a = must(t, http.StatusOK, a.body["token"].(string), "POST", session+"/users/ann/token", nil)
	fields(t, a.body, "token expiresAt")
	isTime(t, a.body["expiresAt"])
}

func TestUser_RefusesWhatIsNotInTheContract(t *testing.T) {
	session := newSession(t, object{})
	for _, body := range []string{
		`{"id":""}`, `{"id":"a/b"}`, `{"id":".."}`, `{"name":5}`, `{"metadata":null}`, `{"metadata":[]}`, `{"tokenTTL":"29s"}`,
		`{"tokenTTL":"24h1s"}`, `{"tokenTTL":60}`, `{"tokenTTL":""}`, `{"permissions":{"publish":"yes"}}`,
		`{"permissions":{"speak":true}}`, `{"role":"host"}`,
	} {
		refused(t, 422, "invalid", key, "POST", session+"/users", body)
	}
	refused(t, 413, "too_large", key, "POST", session+"/users", object{"metadata": object{"a": strings.Repeat("x", 4096)}})
	refused(t, 404, "not_found", key, "POST", "/v1/sessions/none-such/users", object{})
	refused(t, 404, "not_found", key, "GET", session+"/users/none-such", nil)
}

func TestUser_PagesOfTheList(t *testing.T) {
	session := newSession(t, object{})
	var ann *member
	for _, id := range []string{"ann", "bob", "carl"} {
		m := join(t, session, id, nil)
		if ann == nil {
			ann = m
		}
	}
	first := must(t, http.StatusOK, ann.token, "GET", session+"/users?limit=2", nil)
	fields(t, first.body, "items next")
	second := must(t, http.StatusOK, ann.token, "GET", session+"/users?limit=2&cursor="+first.body["next"].(string), nil)
	fields(t, second.body, "items")
	if len(list(t, first.body["items"])) != 2 || len(list(t, second.body["items"])) != 1 {
		t.Errorf("pages %s %s", first.text, second.text)
	}
	for _, user := range append(list(t, first.body["items"]), list(t, second.body["items"])...) {
		isUser(t, user)
	}
}

// TestUser_WhatItsTokenIsGoodFor: its own calls, and reading its session, the users of it and itself.
func TestUser_WhatItsTokenIsGoodFor(t *testing.T) {
	session, other := newSession(t, object{}), newSession(t, object{})
	ann, bob := join(t, session, "ann", nil), join(t, session, "bob", nil)
	eve := join(t, other, "ann", nil)
	for _, path := range []string{session, session + "/users", ann.path, ann.path + "/messages"} {
		must(t, http.StatusOK, ann.token, "GET", path, nil)
		must(t, http.StatusOK, key, "GET", path, nil)
		refused(t, 403, "forbidden", eve.token, "GET", path, nil)
		for _, bearer := range []string{"", "nonsense", ann.token + "x"} {
			if a := refused(t, 401, "unauthorized", bearer, "GET", path, nil); a.header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("401 with %v", a.header)
			}
		}
	}
	for _, call := range []string{
		"GET /messages", "GET /events", "POST /messages", "PUT /publish", "DELETE /publish", "PUT /subscribe", "DELETE /subscribe",
		"POST /subscribe/offer", "POST /publish/candidates", "POST /subscribe/candidates", "PUT /subscriptions", "POST /token",
		"POST /rejoin", "DELETE ", "PATCH /streams/x",
	} {
		method, rest, _ := strings.Cut(call, " ")
		refused(t, 403, "forbidden", bob.token, method, ann.path+rest, nil)
	}
	for _, call := range []string{
		"GET /v1/sessions", "POST /v1/sessions", "DELETE " + session, "POST " + session + "/users", "GET /v1/admin/servers",
		"GET /v1/admin/audit", "GET /v1/admin/replicas", "POST /v1/admin/servers/x/drain", "DELETE /v1/admin/servers/x/drain",
	} {
		method, path, _ := strings.Cut(call, " ")
		refused(t, 403, "forbidden", ann.token, method, path, nil)
	}
	refused(t, 401, "unauthorized", "", "GET", ann.path+"/messages?access_token="+ann.token, nil)
}

func TestUser_GoneIsNotFound(t *testing.T) {
	session := newSession(t, object{})
	ann, bob, carl := join(t, session, "ann", nil), join(t, session, "bob", nil), join(t, session, "carl", nil)
	must(t, http.StatusNoContent, key, "DELETE", bob.path, nil)
	carl.must(http.StatusNoContent, "DELETE", "", nil)
	for id, reason := range map[string]string{"bob": "removed", "carl": "left"} {
		m := member{t: t, path: ann.path, token: ann.token}
		data := m.await("user-left", func(d object) bool { return isUser(t, d["user"])["id"] == id })
		fields(t, data, "user reason")
		if data["reason"] != reason {
			t.Errorf("%s: reason %v, want %s", id, data["reason"], reason)
		}
	}
	for _, call := range []string{"GET ", "DELETE ", "GET /messages", "GET /events", "POST /token", "POST /rejoin"} {
		method, rest, _ := strings.Cut(call, " ")
		bob.refused(404, "not_found", method, rest, nil)
	}
	refused(t, 404, "not_found", bob.token, "GET", session, nil)
	refused(t, 404, "not_found", bob.token, "GET", session+"/users", nil)
	refused(t, 404, "not_found", key, "GET", bob.path, nil)
	refused(t, 404, "not_found", key, "DELETE", bob.path, nil)

	again := join(t, session, "bob", nil)
	if first := again.poll("5s"); len(first) == 0 || first[0]["type"] != "joined" {
		t.Errorf("after coming back the first message is %v", first)
	}
}

func TestUser_PermissionsAreKept(t *testing.T) {
	session := newSession(t, object{})
	none := object{"permissions": object{"publish": false, "subscribe": false, "message": false}}
	ann := join(t, session, "ann", none)
	sdp := object{"sdp": leastSDP, "seq": 1, "epoch": ann.epoch}
	ann.refused(403, "forbidden", "PUT", "/publish", sdp)
	ann.refused(403, "forbidden", "POST", "/publish/candidates", object{"epoch": ann.epoch, "candidates": []any{}})
	ann.refused(403, "forbidden", "PUT", "/subscribe", sdp)
	ann.refused(403, "forbidden", "POST", "/subscribe/offer", object{"epoch": ann.epoch})
	ann.refused(403, "forbidden", "PUT", "/subscriptions", object{"mode": "all"})
	ann.refused(403, "forbidden", "POST", "/messages", object{"type": "chat", "data": 1})
}
