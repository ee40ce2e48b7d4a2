package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/tests/harness"
)

// TestStop_NobodyNotices stops and starts the REST and Wrapper replicas in turn, as a rolling upgrade does, in a storm of
// joins, messages and polls. Every message arrives once and in order, and no call is answered by an error: what a client
// may see is that its connection is closed when it makes a new call.
func TestStop_NobodyNotices(t *testing.T) {
	s := &storm{errors: map[string]int{}}
	s.api = fleet.API.Observed(s.attempt)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var running sync.WaitGroup
	var talks []*numbered
	for range 3 {
		k := newNumbered(t, s.api)
		talks = append(talks, k)
		running.Go(func() { k.send(ctx) })
		running.Go(func() { k.read(ctx) })
	}
	for n := range 3 {
		running.Go(func() { s.churn(ctx, fmt.Sprintf("churn-%d", n)) })
	}
	for _, p := range slices.Concat(fleet.RestAPIs, fleet.Wrappers, fleet.RestAPIs, fleet.Wrappers) {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
		must(t, p.Start(t.Context()))
	}
	cancel()
	running.Wait()
	for _, k := range talks {
		k.readRest(t)
		if len(k.got) < 5 || !slices.Equal(k.got, k.sent) {
			t.Errorf("%s: of %d messages came %v", k.session, len(k.sent), k.got)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Logf("%d calls, %d of them at a connection that was just being closed", s.calls, s.closed)
	if s.closed > 8 { // more than one a stop: some of them were in hand
		t.Errorf("%d calls had no answer", s.closed)
	}
	for text, n := range s.errors {
		t.Errorf("%d times: %s", n, text)
	}
}

// storm is many clients at once, and what they see that they should not.
type storm struct {
	api *harness.API

	mu     sync.Mutex
	calls  int
	closed int
	errors map[string]int
}

// attempt notes what no client should see. A replica that starts would not be given calls by a load balancer that asks
// whether it is ready.
func (s *storm) attempt(a harness.Attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if a.Status == 0 && closed(a.Err) && !errors.Is(a.Err, syscall.ECONNREFUSED) {
		s.closed++
	}
	if a.Err == nil || errors.Is(a.Err, context.Canceled) || a.Status == 0 && closed(a.Err) ||
		a.Status == http.StatusServiceUnavailable && strings.Contains(a.Err.Error(), "is starting") {
		return
	}
	s.errors[fmt.Sprintf("%s: %v", a.Request.Method, a.Err)]++
}

// closed reports whether err says that the connection was closed before there was any answer.
func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE) || strings.Contains(err.Error(), "server closed idle connection")
}

// churn makes sessions, joins them, leaves and closes them, until ctx ends.
func (s *storm) churn(ctx context.Context, name string) {
	call := func(method, path string, body any) {
		_, _ = s.api.Insist(ctx, harness.Request{Method: method, Path: path, Body: body}, nil) // attempt has seen it
	}
	for n := 0; ctx.Err() == nil; n++ {
		id := fmt.Sprintf("%s-%d-%s", name, n, control.NewID())
		path := "/v1/sessions/" + id
		call(http.MethodPost, "/v1/sessions", map[string]any{"id": id})
		call(http.MethodPost, path+"/users", map[string]any{"id": "x"})
		call(http.MethodPost, path+"/users", map[string]any{"id": "y"})
		call(http.MethodDelete, path+"/users/x", nil)
		if ctx.Err() == nil {
			call(http.MethodDelete, path, nil)
		}
	}
}

// numbered is a user who sends numbers and one who reads them.
type numbered struct {
	api     *harness.API
	session string
	token   string // of the sender
	inbox   *harness.Inbox
	sent    []int // by send
	got     []int // by read
}

func newNumbered(t *testing.T, api *harness.API) *numbered {
	t.Helper()
	k := &numbered{api: api, session: fleet.NewSession(t)}
	sender, err := fleet.API.Join(t.Context(), k.session, "sender")
	must(t, err)
	reader, err := fleet.API.Join(t.Context(), k.session, "reader")
	must(t, err)
	k.token, k.inbox = sender.Token, harness.NewInbox(api, k.session, "reader", reader.Token)
	return k
}

func (k *numbered) send(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		// The last one is sent to the end: whether it was would not be known otherwise.
		_, err := k.api.Insist(context.WithoutCancel(ctx), harness.Request{
			Method: http.MethodPost, Path: "/v1/sessions/" + k.session + "/users/sender/messages", Bearer: k.token,
			Body: map[string]any{"type": "number", "data": n},
		}, nil)
		if err != nil {
			return
		}
		k.sent = append(k.sent, n)
	}
}

func (k *numbered) read(ctx context.Context) {
	for ctx.Err() == nil {
		messages, err := k.inbox.Poll(context.WithoutCancel(ctx), time.Second, 50)
		if err != nil {
			continue // attempt has seen it; the same poll again
		}
		k.keep(messages)
	}
}

// readRest reads what is left when nothing is sent any more.
func (k *numbered) readRest(t *testing.T) {
	t.Helper()
	for len(k.got) < len(k.sent) {
		messages, err := k.inbox.Poll(t.Context(), time.Second, 200)
		must(t, err)
		if len(messages) == 0 {
			return
		}
		k.keep(messages)
	}
}

func (k *numbered) keep(messages []harness.Message) {
	for _, m := range messages {
		var data struct {
			Data int `json:"data"`
		}
		if m.Type == "message" && json.Unmarshal(m.Data, &data) == nil {
			k.got = append(k.got, data.Data)
		}
	}
}
