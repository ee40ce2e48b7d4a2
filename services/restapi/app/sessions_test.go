package app_test

import (
	"net/http"
	"regexp"
	"testing"

	"github.com/orkestro/orkestro/pkg/message"
)

var millis = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)

func TestSession_LivesAndEnds(t *testing.T) {
	f := newFleet(t, 2, nil)
	created := f.must(http.StatusCreated, apiKey, "POST", "/v1/sessions", object{
		"id": "room-1", "metadata": object{"a": 1}, "maxUsers": 2, "region": "eu", "emptyTimeout": "30s",
	})
	if created.header.Get("Location") != "/v1/sessions/room-1" {
		t.Errorf("Location %q", created.header.Get("Location"))
	}
	var s map[string]any
	created.decode(t, &s)
	want := object{
		"id": "room-1", "state": "active", "epoch": 0.0, "maxUsers": 2.0, "region": "eu", "users": 0.0, "pipeline": nil,
	}
	for field, want := range want {
		if got, there := s[field]; got != want || !there {
			t.Errorf("%s: got %v, want %v", field, got, want)
		}
	}
	if at, _ := s["createdAt"].(string); !millis.MatchString(at) {
		t.Errorf("createdAt %q", at)
	}
	f.problem(f.call(apiKey, "POST", "/v1/sessions", object{"id": "room-1"}), 409, "conflict")

	path, token := f.user("room-1", "ada")
	if got := f.poll(token, path, "wait=5s").types(); len(got) != 1 || got[0] != "joined" {
		t.Fatalf("got %v, want joined", got)
	}
	f.must(http.StatusNoContent, apiKey, "DELETE", "/v1/sessions/room-1", nil)
	f.problem(f.call(apiKey, "GET", "/v1/sessions/room-1", nil), 410, "gone")
	f.problem(f.call(apiKey, "DELETE", "/v1/sessions/room-1", nil), 410, "gone")
	f.problem(f.call(token, "GET", path, nil), 410, "gone")

	last := f.poll(token, path, "")
	if got := last.types(); len(got) != 2 || got[1] != "session-closed" {
		t.Fatalf("got %v, want joined and session-closed", got)
	}
	f.problem(f.callAt(1, token, "GET", path+"/messages?ack="+last.Cursor, nil), 410, "gone")
	f.problem(f.call(token, "GET", path+"/messages", nil), 410, "gone")
}

func TestSession_ListsArePaged(t *testing.T) {
	f := newFleet(t, 1, nil)
	for _, id := range []string{"a", "b", "c"} {
		f.must(http.StatusCreated, apiKey, "POST", "/v1/sessions", object{"id": id})
	}
	f.must(http.StatusNoContent, apiKey, "DELETE", "/v1/sessions/b", nil)
	var page struct {
		Items []struct{ ID string }
		Next  string
	}
	f.must(http.StatusOK, apiKey, "GET", "/v1/sessions?limit=1", nil).decode(t, &page)
	if len(page.Items) != 1 || page.Items[0].ID != "a" || page.Next == "" {
		t.Fatalf("got %+v", page)
	}
	next := page.Next
	page.Next = ""
	f.must(http.StatusOK, apiKey, "GET", "/v1/sessions?limit=1&cursor="+next, nil).decode(t, &page)
	if len(page.Items) != 1 || page.Items[0].ID != "c" || page.Next != "" {
		t.Fatalf("got %+v", page)
	}
	f.must(http.StatusOK, apiKey, "GET", "/v1/sessions?state=closed", nil).decode(t, &page)
	if len(page.Items) != 1 || page.Items[0].ID != "b" {
		t.Fatalf("got %+v", page)
	}
	for _, query := range []string{"limit=0", "limit=201", "limit=x", "cursor=x", "state=odd"} {
		f.problem(f.call(apiKey, "GET", "/v1/sessions?"+query, nil), 422, "invalid")
	}
}

func TestUser_JoinsRejoinsAndLeaves(t *testing.T) {
	f := newFleet(t, 1, nil)
	session := f.session()
	path, token := f.user(session, "ada")
	var joined struct {
		User struct {
			ID, Name    string
			Permissions map[string]bool
			Streams     []any
		}
		Token, ExpiresAt string
		ICEServers       []any
		Epoch            int
	}
	again := f.must(http.StatusOK, apiKey, "POST", "/v1/sessions/"+session+"/users", object{
		"id": "ada", "name": "Ada", "permissions": object{"publish": false},
	})
	again.decode(t, &joined)
	if joined.User.Name != "Ada" || joined.User.Permissions["publish"] || !joined.User.Permissions["message"] ||
		joined.User.Streams == nil || joined.ICEServers == nil || joined.Epoch != 1 || !millis.MatchString(joined.ExpiresAt) {
		t.Fatalf("got %s", again.body)
	}
	f.must(http.StatusOK, token, "POST", path+"/rejoin", nil).decode(t, &joined)
	if joined.User.Name != "Ada" {
		t.Fatalf("rejoin by token: got %+v", joined.User)
	}
	// What a rejoin does not name stays: a backend that only repeats the id takes nothing away, and grants nothing.
	again = f.must(http.StatusOK, apiKey, "POST", "/v1/sessions/"+session+"/users", object{
		"id": "ada", "permissions": object{"message": false},
	})
	again.decode(t, &joined)
	if joined.User.Name != "Ada" || joined.User.Permissions["publish"] || joined.User.Permissions["message"] ||
		!joined.User.Permissions["subscribe"] {
		t.Fatalf("rejoin by id: got %s", again.body)
	}
	f.must(http.StatusOK, token, "POST", path+"/token", nil).decode(t, &joined)
	f.must(http.StatusOK, joined.Token, "GET", path, nil)
	f.must(http.StatusOK, token, "GET", "/v1/sessions/"+session+"/users", nil)

	f.must(http.StatusNoContent, token, "DELETE", path, nil)
	f.problem(f.call(token, "GET", path, nil), 404, "not_found")
	f.problem(f.call(token, "GET", "/v1/sessions/"+session, nil), 404, "not_found")
	f.problem(f.call(token, "GET", path+"/messages", nil), 404, "not_found")
	f.problem(f.call(apiKey, "GET", path+"/messages", nil), 404, "not_found")
}

func TestUser_FullSession(t *testing.T) {
	f := newFleet(t, 1, nil)
	f.must(http.StatusCreated, apiKey, "POST", "/v1/sessions", object{"id": "small", "maxUsers": 1})
	f.user("small", "ada")
	f.problem(f.call(apiKey, "POST", "/v1/sessions/small/users", object{"id": "bob"}), 409, "conflict")
	f.must(http.StatusOK, apiKey, "POST", "/v1/sessions/small/users", object{"id": "ada"})
}

func TestRequests_UnconfirmedAre503(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the five seconds of the contract")
	}
	f := newFleet(t, 1, nil)
	f.wrapper.ignore(message.TypeCreateSession, true)
	a := f.call(apiKey, "POST", "/v1/sessions", object{"id": "late"}, "Idempotency-Key", "k")
	f.problem(a, 503, "unavailable")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	f.wrapper.ignore(message.TypeCreateSession, false)
	f.must(http.StatusCreated, apiKey, "POST", "/v1/sessions", object{"id": "late"}, "Idempotency-Key", "k")
	if got := f.wrapper.got(message.TypeCreateSession); len(got) != 2 || got[0].ID != got[1].ID {
		t.Fatalf("got %d requests, want two with the same id", len(got))
	}
}
