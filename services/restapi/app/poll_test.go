package app_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/message"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/services/restapi/app"
)

// say sends an application message to all and gives its id.
func (f *fleet) say(token, path, text string) string {
	f.tb.Helper()
	var sent struct{ ID string }
	f.must(http.StatusAccepted, token, "POST", path+"/messages", object{"type": "chat", "data": text}).decode(f.tb, &sent)
	return sent.ID
}

// ids is the ids of a batch.
func (p polled) ids() []string {
	ids := []string{}
	for _, m := range p.Messages {
		ids = append(ids, m.ID)
	}
	return ids
}

// readers waits until n polls or streams are open at a replica.
func (f *fleet) readers(replica, n int) {
	f.tb.Helper()
	testkit.Eventually(f.tb, func() error {
		a := f.callAt(replica, "", "GET", "/metrics", nil)
		if !strings.Contains(string(a.body), fmt.Sprintf("\norkestro_restapi_readers %d\n", n)) {
			return fmt.Errorf("not %d readers at replica %d", n, replica)
		}
		return nil
	})
}

func TestPoll_BatchesComeAgainUntilAcknowledged(t *testing.T) {
	f := newFleet(t, 2, nil)
	path, token := f.user(f.session(), "ada")
	var sent []string
	for i := range 5 {
		sent = append(sent, f.say(token, path, fmt.Sprint(i)))
	}
	first := f.poll(token, path, "limit=3")
	if got := first.ids()[1:]; !slices.Equal(got, sent[:2]) {
		t.Fatalf("got %v, want %v", got, sent[:2])
	}
	for _, replica := range []int{0, 1, 0} { // lost, and asked for elsewhere
		var again polled
		f.callAt(replica, token, "GET", path+"/messages?limit=3", nil).decode(t, &again)
		if !slices.Equal(again.ids(), first.ids()) {
			t.Fatalf("replica %d: got %v, want %v", replica, again.ids(), first.ids())
		}
	}
	var rest polled
	f.callAt(1, token, "GET", path+"/messages?ack="+first.Cursor, nil).decode(t, &rest)
	if !slices.Equal(rest.ids(), sent[2:]) {
		t.Fatalf("got %v, want %v", rest.ids(), sent[2:])
	}
	stale := f.poll(token, path, "ack="+first.Cursor) // acknowledged before: does nothing
	if !slices.Equal(stale.ids(), sent[2:]) {
		t.Fatalf("got %v, want %v", stale.ids(), sent[2:])
	}
	empty := f.poll(token, path, "ack="+rest.Cursor)
	if len(empty.Messages) != 0 || empty.Cursor == "" {
		t.Fatalf("got %+v", empty)
	}
	f.poll(token, path, "ack="+empty.Cursor)
}

func TestPoll_CursorsAreOfOneUser(t *testing.T) {
	f := newFleet(t, 1, nil)
	session := f.session()
	path, token := f.user(session, "ada")
	otherPath, other := f.user(session, "bob")
	cursor := f.poll(token, path, "wait=5").Cursor
	f.problem(f.call(other, "GET", otherPath+"/messages?ack="+cursor, nil), 422, "invalid")
	f.problem(f.call(other, "GET", otherPath+"/events", nil, "Last-Event-ID", cursor), 422, "invalid")
}

func TestPoll_WaitsForAMessage(t *testing.T) {
	f := newFleet(t, 2, nil)
	path, token := f.user(f.session(), "ada")
	cursor := f.poll(token, path, "").Cursor
	got := make(chan answer, 1)
	go func() { got <- f.call(token, "GET", path+"/messages?wait=20s&ack="+cursor, nil) }()
	f.readers(0, 1)
	var sent struct{ ID string }
	f.callAt(1, token, "POST", path+"/messages", object{"type": "chat", "data": 1, "to": "ada"}).decode(t, &sent)
	var p polled
	(<-got).decode(t, &p)
	if !slices.Equal(p.ids(), []string{sent.ID}) || p.Messages[0].From != "ada" || p.Messages[0].Type != "message" {
		t.Fatalf("got %+v, want %s", p, sent.ID)
	}
}

func TestPoll_NewerEndsOlder(t *testing.T) {
	f := newFleet(t, 2, nil)
	path, token := f.user(f.session(), "ada")
	cursor := f.poll(token, path, "").Cursor
	for _, newer := range []int{0, 1} {
		got := make(chan answer, 1)
		go func() { got <- f.call(token, "GET", path+"/messages?wait=20s&ack="+cursor, nil) }()
		f.readers(0, 1)
		var p polled
		f.callAt(newer, token, "GET", path+"/messages", nil).decode(t, &p)
		f.problem(<-got, 409, "conflict")
	}
}

func TestPoll_EndsWithUserAndSession(t *testing.T) {
	f := newFleet(t, 1, nil)
	session := f.session()
	for _, user := range []string{"ada", "bob"} {
		path, token := f.user(session, user)
		cursor := f.poll(token, path, "").Cursor
		got := make(chan answer, 1)
		go func() { got <- f.call(token, "GET", path+"/messages?wait=20s&ack="+cursor, nil) }()
		f.readers(0, 1)
		if user == "ada" {
			f.must(http.StatusNoContent, apiKey, "DELETE", path, nil)
			f.problem(<-got, 404, "not_found")
			continue
		}
		f.must(http.StatusNoContent, apiKey, "DELETE", "/v1/sessions/"+session, nil)
		var p polled
		(<-got).decode(t, &p)
		if !slices.Equal(p.types(), []string{"session-closed"}) {
			t.Fatalf("got %v", p.types())
		}
	}
}

func TestPoll_LostQueueBringsSync(t *testing.T) {
	f := newFleet(t, 1, nil)
	session := f.session()
	path, token := f.user(session, "ada")
	f.poll(token, path, "")
	queue := message.UserQueue(control.SessionID(session), "ada").Name
	if err := f.broker.DeleteQueue(t.Context(), queue); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, func() error {
		if got := f.poll(token, path, "wait=1").types(); !slices.Equal(got, []string{"sync"}) {
			return fmt.Errorf("got %v", got)
		}
		return nil
	})
}

func TestPoll_StoppingReplicaAnswersAtOnce(t *testing.T) {
	f := newFleet(t, 2, nil)
	path, token := f.user(f.session(), "ada")
	cursor := f.poll(token, path, "").Cursor
	got := make(chan answer, 1)
	go func() { got <- f.call(token, "GET", path+"/messages?wait=30s&ack="+cursor, nil) }()
	f.readers(0, 1)
	begin := time.Now()
	if err := f.replicas[0].stop(); err != nil {
		t.Fatal(err)
	}
	a := <-got
	var p polled
	a.decode(t, &p)
	if a.status != http.StatusOK || len(p.Messages) != 0 || time.Since(begin) > 5*time.Second {
		t.Fatalf("got %d %s after %s", a.status, a.body, time.Since(begin))
	}
	if last := f.callAt(1, token, "GET", path+"/messages", nil); last.status != http.StatusOK {
		t.Fatalf("the other replica: %d %s", last.status, last.body)
	}
}

func TestPoll_ManyMailboxesWithinTheirBound(t *testing.T) {
	f := newFleet(t, 1, func(c *app.Config) { c.MaxMailboxes = 2 })
	session := f.session()
	for i := range 6 {
		path, token := f.user(session, fmt.Sprintf("u%d", i))
		if got := f.poll(token, path, "wait=5").types(); len(got) == 0 || got[0] != "joined" {
			t.Fatalf("user %d: got %v", i, got)
		}
	}
}

func TestEvents_StreamAndAcknowledge(t *testing.T) {
	f := newFleet(t, 1, nil)
	path, token := f.user(f.session(), "ada")
	sent := f.say(token, path, "hello")
	open := func(lastEventID string) *bufio.Scanner {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		t.Cleanup(cancel)
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.replicas[0].url+path+"/events?access_token="+token, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Last-Event-ID", lastEventID)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = response.Body.Close() })
		if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("got %d %v", response.StatusCode, response.Header)
		}
		return bufio.NewScanner(response.Body)
	}
	event := func(s *bufio.Scanner) (id, kind, data string) {
		for s.Scan() {
			field, value, _ := strings.Cut(s.Text(), ": ")
			switch {
			case field == "id":
				id = value
			case field == "event":
				kind = value
			case field == "data":
				data = value
			case s.Text() == "" && data != "":
				return id, kind, data
			}
		}
		t.Fatalf("the stream ended: %v", s.Err())
		return "", "", ""
	}
	stream := open("")
	if _, kind, _ := event(stream); kind != "joined" {
		t.Fatalf("got %s, want joined", kind)
	}
	cursor, kind, data := event(stream)
	if kind != "message" || !strings.Contains(data, sent) {
		t.Fatalf("got %s %s, want %s", kind, data, sent)
	}
	live := f.say(token, path, "again")
	if _, _, data = event(stream); !strings.Contains(data, live) {
		t.Fatalf("got %s, want %s", data, live)
	}
	next := open(cursor) // takes over, and acknowledges the first two
	if _, _, data = event(next); !strings.Contains(data, live) {
		t.Fatalf("got %s, want %s", data, live)
	}
	for stream.Scan() {
		continue // until the older one has ended
	}
	if got := f.poll(token, path, "").ids(); !slices.Equal(got, []string{live}) {
		t.Fatalf("got %v, want %v", got, live)
	}
}
