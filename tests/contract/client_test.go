package contract_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

type object = map[string]any

// answer is an HTTP answer that was read to its end.
type answer struct {
	status int
	header http.Header
	text   []byte
	body   object // nil for what is no JSON object
}

// call sends a request. A body that is a string goes as it is, everything else as JSON; headers are names and values.
func call(t *testing.T, bearer, method, path string, body any, headers ...string) answer {
	t.Helper()
	a, err := send(t.Context(), bearer, method, path, body, headers...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func send(ctx context.Context, bearer, method, path string, body any, headers ...string) (answer, error) {
	var content io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		content = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return answer{}, err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, base+path, content)
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	a := answer{status: response.StatusCode, header: response.Header}
	if a.text, err = io.ReadAll(response.Body); err != nil {
		return answer{}, err
	}
	_ = json.Unmarshal(a.text, &a.body)
	return a, nil
}

// must is call with the status that is expected.
func must(t *testing.T, status int, bearer, method, path string, body any, headers ...string) answer {
	t.Helper()
	a := call(t, bearer, method, path, body, headers...)
	if a.status != status {
		t.Fatalf("%s %s: got %d %s, want %d", method, path, a.status, a.text, status)
	}
	return a
}

// refused is call for what is answered with a problem document of this status and code.
func refused(t *testing.T, status int, code, bearer, method, path string, body any, headers ...string) answer {
	t.Helper()
	a := call(t, bearer, method, path, body, headers...)
	plain, _, _ := strings.Cut(path, "?")
	if decoded, err := url.PathUnescape(plain); err == nil {
		plain = decoded
	}
	switch {
	case a.status != status || a.body["code"] != code:
		t.Errorf("%s %s: got %d %s, want %d %s", method, path, a.status, a.text, status, code)
	case a.header.Get("Content-Type") != "application/problem+json":
		t.Errorf("%s %s: a problem as %q", method, path, a.header.Get("Content-Type"))
	case a.body["status"] != float64(status) || a.body["instance"] != plain:
		t.Errorf("%s %s: the problem says %s", method, path, a.text)
	}
	fields(t, a.body, "type title status code detail instance")
	if retry := a.header.Get("Retry-After"); retry == "" && (status == 503 || status == 429) {
		t.Errorf("%s %s: %d without Retry-After", method, path, status)
	}
	return a
}

// fields checks that an object has exactly these fields; those with a question mark may be missing.
func fields(t *testing.T, value any, list string) {
	t.Helper()
	o, ok := value.(object)
	if !ok {
		t.Errorf("got %v, want an object with %s", value, list)
		return
	}
	known := strings.Fields(list)
	for _, field := range known {
		if name, optional := strings.CutSuffix(field, "?"); !optional {
			if _, ok := o[name]; !ok {
				t.Errorf("%v has no %s", o, name)
			}
		}
	}
	for name := range o {
		if !slices.Contains(known, name) && !slices.Contains(known, name+"?") {
			t.Errorf("%v has %s", o, name)
		}
	}
}

var (
	timeForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)
	uuidV7   = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
)

// isTime checks a time and gives it.
func isTime(t *testing.T, value any) time.Time {
	t.Helper()
	text, _ := value.(string)
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || !timeForm.MatchString(text) {
		t.Errorf("%v is no time with milliseconds in UTC", value)
	}
	return at
}

// isUser checks the shape of a User, and of its streams.
func isUser(t *testing.T, value any) object {
	t.Helper()
	fields(t, value, "id name metadata state joinedAt permissions streams")
	user, _ := value.(object)
	fields(t, user["permissions"], "publish subscribe message")
	fields(t, user["metadata"], slicesJoin(user["metadata"]))
	isTime(t, user["joinedAt"])
	for _, s := range list(t, user["streams"]) {
		isStream(t, s)
	}
	return user
}

// slicesJoin is the names of an object's own fields: whatever they are, they are right.
func slicesJoin(value any) string {
	var names []string
	o, _ := value.(object)
	for name := range o {
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// isStream checks the shape of a Stream.
func isStream(t *testing.T, value any) object {
	t.Helper()
	fields(t, value, "id user kinds state pausedKinds?")
	stream, _ := value.(object)
	if id, _ := stream["id"].(string); len(id) < 1 || len(id) > 32 {
		t.Errorf("stream id %q", id)
	}
	return stream
}

// list is a JSON array, which is never null.
func list(t *testing.T, value any) []any {
	t.Helper()
	items, ok := value.([]any)
	if !ok {
		t.Errorf("got %v, want a list", value)
	}
	return items
}

// newSession makes a session that is closed with the test, and gives its path.
func newSession(t *testing.T, body object) string {
	t.Helper()
	a := must(t, http.StatusCreated, key, "POST", "/v1/sessions", body)
	path := "/v1/sessions/" + a.body["id"].(string)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, _ = send(ctx, key, "DELETE", path, nil)
	})
	return path
}

// member is a user in a session and what it has read.
type member struct {
	t     *testing.T
	path  string
	token string
	epoch int
	ack   string
	seen  []object
}

// join brings a user in; body may say more than its id.
func join(t *testing.T, session, id string, body object) *member {
	t.Helper()
	request := object{"id": id}
	for name, value := range body {
		request[name] = value
	}
	a := must(t, http.StatusCreated, key, "POST", session+"/users", request)
	return &member{
		t: t, path: session + "/users/" + id, token: a.body["token"].(string), epoch: int(a.body["epoch"].(float64)),
	}
}

func (m *member) must(status int, method, path string, body any, headers ...string) answer {
	m.t.Helper()
	return must(m.t, status, m.token, method, m.path+path, body, headers...)
}

func (m *member) refused(status int, code, method, path string, body any, headers ...string) answer {
	m.t.Helper()
	return refused(m.t, status, code, m.token, method, m.path+path, body, headers...)
}

// poll reads what is new, acknowledging what was read before.
func (m *member) poll(wait string) []object {
	m.t.Helper()
	query := "?wait=" + wait
	if m.ack != "" {
		query += "&ack=" + m.ack
	}
	a := m.must(http.StatusOK, "GET", "/messages"+query, nil)
	fields(m.t, a.body, "messages cursor")
	m.ack, _ = a.body["cursor"].(string)
	var news []object
	for _, value := range list(m.t, a.body["messages"]) {
		fields(m.t, value, "id type time session from? epoch data")
		news = append(news, value.(object))
	}
	m.seen = append(m.seen, news...)
	return news
}

// await gives the data of the next message of a type that satisfies match (nil: any), among those that were not given
// before.
func (m *member) await(kind string, match func(object) bool) object {
	m.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		for i, message := range m.seen {
			data, _ := message["data"].(object)
			if message["type"] == kind && (match == nil || match(data)) {
				m.seen = slices.Delete(m.seen, i, i+1)
				return data
			}
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("no %s among %v", kind, m.seen)
		}
		m.poll("2s")
	}
}
