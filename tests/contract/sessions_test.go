package contract_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

const sessionFields = "id state createdAt epoch metadata maxUsers region users pipeline"

func TestSession_ShapeAndLocation(t *testing.T) {
	id := "~" + time.Now().Format("150405.000000") + strings.Repeat("x", 64-14)
	a := must(t, http.StatusCreated, key, "POST", "/v1/sessions",
		`{"id":"`+id+`","metadata":{"n": 1.0, "a": [null]},"maxUsers":3,"emptyTimeout":"5m"}`)
	path := "/v1/sessions/" + id
	fields(t, a.body, sessionFields)
	isTime(t, a.body["createdAt"])
	if a.header.Get("Location") != path || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", a.header)
	}
	if !strings.Contains(string(a.text), `"metadata":{"n":1.0,"a":[null]}`) || a.body["epoch"] != 0.0 ||
		a.body["pipeline"] != nil || a.body["users"] != 0.0 || a.body["state"] != "active" || a.body["maxUsers"] != 3.0 {
		t.Errorf("created %s", a.text)
	}
	refused(t, 409, "conflict", key, "POST", "/v1/sessions", object{"id": id})
	join(t, path, "ann", nil)
	a = must(t, http.StatusOK, key, "GET", path, nil)
	fields(t, a.body["pipeline"], "id server")
	if a.body["epoch"] != 1.0 || a.body["users"] != 1.0 {
		t.Errorf("after a join %s", a.text)
	}
	server := a.body["pipeline"].(object)["server"].(string)
	if !listed(t, "server="+server, id) || listed(t, "server=none", id) {
		t.Error("the filter by server does not choose")
	}
	must(t, http.StatusNoContent, key, "DELETE", path, nil)
	if listed(t, "", id) || !listed(t, "state=closed", id) {
		t.Error("a closed session belongs into the list of the closed only")
	}
}

// listed looks for a session on every page.
func listed(t *testing.T, query, id string) bool {
	t.Helper()
	for cursor := ""; ; {
		a := must(t, http.StatusOK, key, "GET", "/v1/sessions?limit=2&"+query+cursor, nil)
		fields(t, a.body, "items next?")
		for _, item := range list(t, a.body["items"]) {
			fields(t, item, sessionFields)
			if item.(object)["id"] == id {
				return true
			}
		}
		next, more := a.body["next"].(string)
		if !more {
			return false
		}
		cursor = "&cursor=" + next
	}
}

func TestSession_GeneratedIDs(t *testing.T) {
	for _, body := range []any{nil, object{}} {
		a := must(t, http.StatusCreated, key, "POST", "/v1/sessions", body)
		if id, _ := a.body["id"].(string); !uuidV7.MatchString(id) {
			t.Errorf("session id %q", id)
		}
		must(t, http.StatusNoContent, key, "DELETE", a.header.Get("Location"), nil)
	}
}

func TestSession_RefusesWhatIsNotInTheContract(t *testing.T) {
	for _, body := range []string{
		`{"id":"."}`, `{"id":".."}`, `{"id":""}`, `{"id":"a b"}`, `{"id":"` + strings.Repeat("x", 65) + `"}`, `{"id":7}`,
		`{"ID":"x"}`, `{"name":"x"}`, `{"metadata":[]}`, `{"metadata":"x"}`, `{"metadata":null}`, `{"maxUsers":"2"}`,
		`{"maxUsers":1.5}`, `{"maxUsers":1e30}`, `{"maxUsers":-1}`, `{"emptyTimeout":5}`, `{"emptyTimeout":"5"}`,
		`{"emptyTimeout":""}`, `{"region":1}`, `[]`, `null`, `"x"`,
	} {
		refused(t, 422, "invalid", key, "POST", "/v1/sessions", body)
	}
	for _, body := range []string{`{`, `{} {}`, `{"id":"` + "\xff" + `"}`, `nonsense`} {
		refused(t, 400, "invalid", key, "POST", "/v1/sessions", body)
	}
	for _, query := range []string{"limit=0", "limit=201", "limit=x", "cursor=x", "cursor=MTo", "state=open"} {
		refused(t, 422, "invalid", key, "GET", "/v1/sessions?"+query, nil)
	}
	big := strings.Repeat("x", 257*1024)
	refused(t, 413, "too_large", key, "POST", "/v1/sessions", object{"metadata": object{"a": big[:4096]}})
	refused(t, 413, "too_large", key, "POST", "/v1/sessions", object{"id": big})
	refused(t, 415, "unsupported_media_type", key, "POST", "/v1/sessions", `{}`, "Content-Type", "text/plain")
	refused(t, 406, "not_acceptable", key, "GET", "/v1/sessions", nil, "Accept", "text/html")
}

func TestSession_ClosedDeliversTheRestAndIsGone(t *testing.T) {
	session := newSession(t, object{})
	ann := join(t, session, "ann", nil)
	ann.await("joined", nil)
	ann.await("user-joined", nil)
	must(t, http.StatusNoContent, key, "DELETE", session, nil)
	for _, c := range []struct{ bearer, method, path string }{
		{key, "GET", session},
		{key, "DELETE", session},
		{key, "GET", session + "/users"},
		{ann.token, "GET", ann.path},
		{ann.token, "POST", ann.path + "/token"},
		{ann.token, "POST", ann.path + "/rejoin"},
		{ann.token, "DELETE", ann.path},
	} {
		refused(t, 410, "gone", c.bearer, c.method, c.path, nil)
	}
	refused(t, 410, "gone", key, "POST", session+"/users", object{"id": "bob"})
	fields(t, ann.await("session-closed", nil), "reason")
	if len(ann.seen) != 0 {
		t.Errorf("after the last message: %v", ann.seen)
	}
	again := ann.must(http.StatusOK, "GET", "/messages", nil)
	if !strings.Contains(string(again.text), "session-closed") {
		t.Errorf("not acknowledged, and gone: %s", again.text)
	}
	ann.refused(410, "gone", "GET", "/messages?wait=5&ack="+ann.ack, nil)
	ann.refused(410, "gone", "GET", "/messages", nil)
	refused(t, 409, "conflict", key, "POST", "/v1/sessions", object{"id": session[len("/v1/sessions/"):]})
}
