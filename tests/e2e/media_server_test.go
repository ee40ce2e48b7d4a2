package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// TestMediaServer_DiesWithACallInIt kills the media server that a call is on. Session, users and streams stay, everybody
// is told in the right order, and media flows again without anybody joining again.
func TestMediaServer_DiesWithACallInIt(t *testing.T) {
	session := fleet.NewSession(t)
	users := join(t, session, "ann", "ben")
	expectMedia(t, users...)
	streams := users[0].Streams()
	server := serverOf(t, session)
	killForTheTest(t, server)

	for _, u := range users {
		testkit.Eventually(t, func() error { return toldOfTheLoss(u) })
	}
	expectMedia(t, users...)
	if now := users[0].Streams(); now["ben"] != streams["ben"] {
		t.Errorf("ben's stream is %q, and was %q before", now["ben"], streams["ben"])
	}
	for _, u := range users {
		if has(u, "user-left", nil) || has(u, "stream-removed", nil) {
			t.Errorf("%s was told that somebody left or stopped", u.ID)
		}
	}
	expectNoFailures(t, users...)
}

// toldOfTheLoss is nil once disconnected and, after it, reconnect under the next epoch have arrived.
func toldOfTheLoss(u *harness.User) error {
	var lost int64
	for _, m := range u.Messages() {
		var data struct {
			Epoch int64 `json:"epoch"`
		}
		if err := json.Unmarshal(m.Data, &data); err != nil {
			return err
		}
		switch {
		case m.Type == "disconnected":
			lost = data.Epoch
		case m.Type == "reconnect" && lost != 0 && data.Epoch > lost:
			return nil
		}
	}
	return fmt.Errorf("%s was not told of the loss (disconnected for epoch %d) and the new pipeline", u.ID, lost)
}

// serverOf finds the media server that a session's pipeline is on.
func serverOf(t *testing.T, session string) *harness.Process {
	t.Helper()
	var found struct {
		Pipeline struct {
			Server string `json:"server"`
		} `json:"pipeline"`
	}
	request := harness.Request{Method: http.MethodGet, Path: "/v1/sessions/" + session}
	if _, err := fleet.API.Do(t.Context(), request, &found); err != nil {
		t.Fatal(err)
	}
	for _, server := range fleet.MediaServers {
		if server.Name == found.Pipeline.Server {
			return server
		}
	}
	t.Fatalf("the session is on %q, which is none of ours", found.Pipeline.Server)
	return nil
}

// killForTheTest kills a process, and starts it again when the test ends.
func killForTheTest(t *testing.T, p *harness.Process) {
	t.Helper()
	p.Kill()
	t.Cleanup(func() {
		if err := p.Start(context.Background()); err != nil {
			t.Errorf("restart %s: %v", p.Name, err)
		}
	})
}
