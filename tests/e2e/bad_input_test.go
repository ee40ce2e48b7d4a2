package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// badInput is one request that has to be refused.
type badInput struct {
	name   string
	method string
	path   string // below the user
	body   string
	status int
	code   string
}

func badInputs() []badInput {
	const epoch = `"epoch":1,"seq":1`
	return []badInput{
		{"no JSON", http.MethodPut, "/publish", `{"sdp":`, 400, "invalid"},
		{"no SDP", http.MethodPut, "/publish", `{"sdp":"nonsense",` + epoch + `}`, 422, "invalid"},
		{"unknown field", http.MethodPut, "/publish", `{"sdp":"v=0","colour":"red",` + epoch + `}`, 422, "invalid"},
		{"wrong type", http.MethodPut, "/publish", `{"sdp":7,` + epoch + `}`, 422, "invalid"},
		{"no answer", http.MethodPut, "/subscribe", `{"sdp":"\u0000\u0001",` + epoch + `}`, 422, "invalid"},
		{"too large", http.MethodPost, "/messages", `{"type":"x","data":"` + strings.Repeat("x", 300<<10) + `"}`, 413, "too_large"},
		{"unknown ack", http.MethodGet, "/messages?ack=bm90aGluZw", ``, 422, "invalid"},
		{"wait too long", http.MethodGet, "/messages?wait=1h", ``, 422, "invalid"},
		{"wrong epoch", http.MethodPost, "/subscribe/offer", `{"epoch":99}`, 409, "stale_epoch"},
		{"no such route", http.MethodGet, "/nothing", ``, 404, "not_found"},
	}
}

// TestBadInput_DisturbsNobody throws what is refused, and an offer that only the media server can refuse, into a session
// with a call in it. The call goes on.
func TestBadInput_DisturbsNobody(t *testing.T) {
	session := fleet.NewSession(t)
	users := join(t, session, "ann", "ben")
	expectMedia(t, users...)
	joined, err := fleet.API.Join(t.Context(), session, "vandal")
	if err != nil {
		t.Fatal(err)
	}
	base := fmt.Sprintf("/v1/sessions/%s/users/vandal", session)
	for _, bad := range badInputs() {
		t.Run(bad.name, func(t *testing.T) {
			request := harness.Request{Method: bad.method, Path: base + bad.path, Bearer: joined.Token}
			if bad.body != "" {
				request.Body = []byte(bad.body)
			}
			_, err := fleet.API.Do(t.Context(), request, nil)
			var problem *harness.ProblemError
			if !errors.As(err, &problem) || problem.Status != bad.status || problem.Code != bad.code {
				t.Errorf("answer %v, want %d %s", err, bad.status, bad.code)
			}
		})
	}
	t.Run("offer that makes no sense", func(t *testing.T) { expectErrorMessage(t, session, base, joined) })

	expectMedia(t, users...)
	expectNoFailures(t, users...)
}

// expectErrorMessage offers what is SDP, but no offer that anybody could answer.
func expectErrorMessage(t *testing.T, session, base string, joined harness.Joined) {
	t.Helper()
	inbox := harness.NewInbox(fleet.API, session, "vandal", joined.Token)
	var epoch int64
	find := func(kind string, v any) {
		testkit.Eventually(t, func() error {
			messages, err := inbox.Poll(t.Context(), 0, 64)
			if err != nil {
				return err
			}
			for _, m := range messages {
				if m.Type == kind {
					return json.Unmarshal(m.Data, v)
				}
			}
			return fmt.Errorf("no %s", kind)
		})
	}
	var hello struct {
		Epoch int64 `json:"epoch"`
	}
	find("joined", &hello)
	epoch = hello.Epoch
	sdp := "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\n"
	body, err := json.Marshal(map[string]any{"sdp": sdp, "seq": 1, "epoch": epoch})
	if err != nil {
		t.Fatal(err)
	}
	_, err = fleet.API.Do(t.Context(), harness.Request{
		Method: http.MethodPut, Path: base + "/publish", Bearer: joined.Token, Body: bytes.Clone(body),
	}, nil)
	if err != nil {
		t.Fatalf("offer: %v", err)
	}
	var failure struct {
		Code string `json:"code"`
	}
	find("error", &failure)
	if failure.Code != "invalid" {
		t.Errorf("error with code %q", failure.Code)
	}
}
