package compose_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// TestFleet runs what compose.yaml describes, without an engine: two people call through the proxy, the media server of
// their call is drained, a REST replica is replaced, and the call goes on.
func TestFleet(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole fleet")
	}
	if _, err := exec.LookPath(haproxy); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	m := startMachine(t)
	for _, service := range []string{
		"mediaserver-1", "mediaserver-2", "wrapper-1", "wrapper-2", "restapi-1", "restapi-2", "balancer", "demo",
	} {
		m.start(t, service)
	}
	base := "http://" + m.address(t, "balancer", "8080")
	banner := m.operate(t, "ready", "--restapis=2", "--wrappers=2", "--mediaservers=2", "--demo")
	if !strings.Contains(banner, "2 REST replicas, 2 Wrappers and 2 media servers") {
		t.Errorf("the banner is\n%s", banner)
	}
	testkit.Eventually(t, func() error { return answers(base + "/demo/") })
	if err := answers(base + "/metrics"); err == nil {
		t.Error("everybody gets the metrics of a replica")
	}

	api := harness.NewAPI(settings(t)["API_KEY"].value, base)
	if _, err := api.CreateSession(t.Context(), "call"); err != nil {
		t.Fatal(err)
	}
	ann, bob := harness.Join(t, api, "call", "ann"), harness.Join(t, api, "call", "bob")
	ann.Publish()
	bob.Publish()
	receiving(t, ann, bob)

	server := serverOf(t, api)
	m.operate(t, "servers", "drain", server, "--timeout=0s")
	testkit.Eventually(t, func() error {
		if now := serverOf(t, api); now == server || now == "" {
			return fmt.Errorf("the call is on %q", now)
		}
		return nil
	})
	receiving(t, ann, bob)

	m.terminate(t, "restapi-1")
	sendAndGet(t, ann, bob, "with one replica")
	m.start(t, "restapi-1")
	m.terminate(t, "restapi-2")
	sendAndGet(t, bob, ann, "with the other")
	m.terminate(t, server) // it has nothing left
	receiving(t, ann, bob)
	for _, user := range []*harness.User{ann, bob} {
		if err := user.Leave(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// receiving waits until both receive media of each other from now on.
func receiving(t *testing.T, users ...*harness.User) {
	t.Helper()
	for _, user := range users {
		before := user.Received()
		testkit.Eventually(t, func() error {
			if now := user.Received(); now < before+50 {
				return fmt.Errorf("%s received %d packets", user.ID, now-before)
			}
			return nil
		})
	}
}

func sendAndGet(t *testing.T, from, to *harness.User, text string) {
	t.Helper()
	testkit.Eventually(t, func() error {
		_, err := from.Send(t.Context(), "chat", text, "")
		return err
	})
	testkit.Eventually(t, func() error {
		for _, message := range to.Messages() {
			if strings.Contains(string(message.Data), text) {
				return nil
			}
		}
		return fmt.Errorf("%s does not get %q", to.ID, text)
	})
}

// serverOf is the media server of the call.
func serverOf(t *testing.T, api *harness.API) string {
	t.Helper()
	var session struct {
		Pipeline struct {
			Server string `json:"server"`
		} `json:"pipeline"`
	}
	request := harness.Request{Method: http.MethodGet, Path: "/v1/sessions/call"}
	if _, err := api.Do(t.Context(), request, &session); err != nil {
		t.Fatal(err)
	}
	return session.Pipeline.Server
}

func answers(url string) error {
	response, err := http.Get(url)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return nil
}
