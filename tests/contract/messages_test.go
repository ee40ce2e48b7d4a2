package contract_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"
)

func (m *member) say(data any, to string) string {
	m.t.Helper()
	body := object{"type": "chat", "data": data}
	if to != "" {
		body["to"] = to
	}
	a := m.must(http.StatusAccepted, "POST", "/messages", body)
	fields(m.t, a.body, "id")
	return a.body["id"].(string)
}

func TestMessages_ReachWhomTheyAreFor(t *testing.T) {
	session := newSession(t, object{})
	ann, bob := join(t, session, "ann", nil), join(t, session, "bob", nil)
	all, one := ann.say(object{"n": 1}, ""), ann.say(nil, "bob")
	for _, m := range []*member{ann, bob} {
		m.await("joined", nil)
		data := m.await("message", nil)
		fields(t, data, "type data")
	}
	direct := bob.await("message", nil)
	fields(t, direct, "type data to")
	if direct["to"] != "bob" || direct["data"] != nil {
		t.Errorf("direct message %v", direct)
	}
	last := ann.say("last", "")
	for _, m := range []*member{ann, bob} {
		m.await("message", func(d object) bool { return d["data"] == "last" })
	}
	raw := must(t, http.StatusOK, key, "GET", session, nil)
	if raw.body["users"] != 2.0 || all == one || one == last {
		t.Errorf("ids %s %s %s", all, one, last)
	}
	for _, to := range []string{"nobody", "a/b"} {
		ann.refused(404, "not_found", "POST", "/messages", object{"type": "x", "data": 1, "to": to})
	}
	for _, body := range []string{
		`{"type":"x"}`, `{"data":1}`, `{"type":"","data":1}`, `{"type":7,"data":1}`, `{"type":"x","data":1,"to":""}`,
	} {
		ann.refused(422, "invalid", "POST", "/messages", body)
	}
	ann.must(http.StatusAccepted, "POST", "/messages", object{"type": "x", "data": strings.Repeat("x", 16*1024-2)})
	ann.refused(413, "too_large", "POST", "/messages", object{"type": "x", "data": strings.Repeat("x", 16*1024-1)})
}

// TestMessages_AreThereOnceTheyAreAnswered: a poll that does not wait has what was sent before it, on any replica, with
// the sender in it, under the id that the sender got.
func TestMessages_AreThereOnceTheyAreAnswered(t *testing.T) {
	session := newSession(t, object{})
	ann := join(t, session, "ann", nil)
	ann.poll("5s")
	ann.poll("0")
	for n := range 20 {
		id := ann.say(n, "")
		got := ann.poll("0")
		if len(got) != 1 || got[0]["id"] != id || got[0]["from"] != "ann" || got[0]["type"] != "message" {
			t.Fatalf("sent %s, got %v", id, got)
		}
		isTime(t, got[0]["time"])
	}
}

func TestPoll_BatchesComeAgainUntilAcknowledged(t *testing.T) {
	session := newSession(t, object{})
	ann, bob := join(t, session, "ann", nil), join(t, session, "bob", nil)
	ann.await("user-joined", func(d object) bool { return isUser(t, d["user"])["id"] == "bob" })
	ann.poll("0")
	var ids []string
	for n := range 6 {
		ids = append(ids, ann.say(n, ""))
	}
	batch := func(query string) (got []string, cursor string) {
		a := ann.must(http.StatusOK, "GET", "/messages?limit=2"+query, nil)
		for _, m := range list(t, a.body["messages"]) {
			got = append(got, m.(object)["id"].(string))
		}
		return got, a.body["cursor"].(string)
	}
	expect := func(got, want []string) {
		t.Helper()
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
	got, first := batch("")
	expect(got, ids[:2])
	got, _ = batch("")
	expect(got, ids[:2])
	got, second := batch("&ack=" + first)
	expect(got, ids[2:4])
	got, _ = batch("&ack=" + first) // the answer was lost: once more
	expect(got, ids[2:4])
	got, last := batch("&ack=" + second)
	expect(got, ids[4:])
	got, _ = batch("&ack=" + first) // older than what was acknowledged since
	expect(got, ids[4:])
	got, _ = batch("&ack=" + last)
	expect(got, nil)
	bob.refused(422, "invalid", "GET", "/messages?ack="+last, nil)
	for _, query := range []string{
		"ack=x", "wait=61", "wait=61s", "wait=-1", "wait=x", "limit=0", "limit=257", "limit=x",
	} {
		ann.refused(422, "invalid", "GET", "/messages?"+query, nil)
	}
	began := time.Now()
	ann.must(http.StatusOK, "GET", "/messages?limit=256&wait=1", nil)
	if took := time.Since(began); took < 900*time.Millisecond || took > 10*time.Second {
		t.Errorf("a wait of 1 took %s", took)
	}
}

func TestPoll_NewerEndsOlder(t *testing.T) {
	session := newSession(t, object{})
	ann := join(t, session, "ann", nil)
	ann.await("user-joined", nil)
	ann.poll("0")
	query := ann.path + "/messages?wait=20s"
	older := make(chan answer, 1)
	go func() {
		a, _ := send(t.Context(), ann.token, "GET", query, nil)
		older <- a
	}()
	for { // whichever comes later ends the other; this one comes again
		call(t, ann.token, "GET", ann.path+"/messages?wait=100ms", nil)
		select {
		case a := <-older:
			if a.status != http.StatusConflict || a.body["code"] != "conflict" {
				t.Errorf("the older poll got %d %s", a.status, a.text)
			}
			return
		default:
		}
	}
}

func TestEvents_StreamAndResume(t *testing.T) {
	session := newSession(t, object{})
	ann := join(t, session, "ann", nil)
	ann.await("user-joined", nil)
	ann.poll("0")
	first, second := ann.say(1, ""), ann.say(2, "")
	id := readEvents(t, ann.path+"/events?access_token="+ann.token, "", first, second)
	readEvents(t, ann.path+"/events?access_token="+ann.token, id, second)
	refused(t, 401, "unauthorized", "", "GET", ann.path+"/events?access_token=x", nil)
	refused(t, 422, "invalid", ann.token, "GET", ann.path+"/events", nil, "Last-Event-ID", "x")
}

// readEvents reads as many events as there are ids, checks them and gives the id of the first.
func readEvents(t *testing.T, path, lastID string, ids ...string) (first string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "text/event-stream")
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("got %s %v", response.Status, response.Header)
	}
	kind := ""
	for lines := bufio.NewScanner(response.Body); len(ids) > 0 && lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "id":
			if first == "" {
				first = value
			}
		case "event":
			kind = value
		case "data":
			if kind != "message" || !strings.Contains(value, `"id":"`+ids[0]+`"`) {
				t.Fatalf("event %s %s, want message %s", kind, value, ids[0])
			}
			ids = ids[1:]
		}
	}
	if len(ids) > 0 {
		t.Errorf("the stream ended before %v", ids)
	}
	return first
}
