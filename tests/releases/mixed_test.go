package releases_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// A call on the media server of either release: join, publish, subscribe, messages, pause, unpublish, rejoin, leave.
func TestCalls_OnBothMediaServers(t *testing.T) {
	for server, name := range map[int]string{older: "the older media server", newer: "the newer media server"} {
		t.Run(name, func(t *testing.T) {
			c := callOn(t, server)
			c.talk(t)
			c.comeAndGo(t)
		})
	}
	expectBothAtWork(t)
}

// talk has each send messages by its own replica, and gets those of both.
func (c call) talk(t *testing.T) {
	t.Helper()
	for i := range 20 {
		for _, u := range []*harness.User{c.ann, c.ben} {
			if _, err := u.Send(t.Context(), "chat", fmt.Sprintf("%s %d", u.ID, i), ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, receiver := range []*harness.User{c.ann, c.ben} {
		for _, sender := range []string{"ann", "ben"} {
			expectMessage(t, receiver, "message", func(m harness.Message) bool {
				return strings.Contains(string(m.Data), sender+" 19")
			})
		}
	}
}

func (c call) comeAndGo(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	own := c.ben.Streams()["ann"]
	if err := c.ann.Pause(ctx, own, true); err != nil {
		t.Fatal(err)
	}
	expectMessage(t, c.ben, "stream-updated", nil)
	if err := c.ann.Pause(ctx, own, false); err != nil {
		t.Fatal(err)
	}
	c.expectMedia(t)

	for _, u := range []*harness.User{c.ann, c.ben} {
		done := make(chan error, 1)
		u.Rejoin(func(err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatalf("rejoin %s: %v", u.ID, err)
		}
		c.expectMedia(t)
	}

	done := make(chan error, 1)
	c.ann.Unpublish(func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	expectMessage(t, c.ben, "stream-removed", nil)
	if err := c.ann.Leave(ctx); err != nil {
		t.Fatal(err)
	}
	expectMessage(t, c.ben, "user-left", nil)
}

// expectBothAtWork checks that both Wrappers had their share of the requests.
func expectBothAtWork(t *testing.T) {
	t.Helper()
	for _, w := range fleet.Wrappers {
		if handled := counted(t, w, `orkestro_wrapper_requests_total{result="ok"`); handled < 10 {
			t.Errorf("%s has handled %.0f requests", w.Name, handled)
		}
	}
}

// counted adds up the samples of a process whose lines begin so.
func counted(t *testing.T, p *harness.Process, prefix string) (sum float64) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.Address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); strings.HasPrefix(line, prefix) && len(fields) > 1 {
			value, err := strconv.ParseFloat(fields[len(fields)-1], 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += value
		}
	}
	return sum
}

// Whichever media server dies, its calls go on at the other, and back, by whichever Wrapper.
func TestMediaServer_DiesBesideAnotherRelease(t *testing.T) {
	for _, server := range []int{older, newer} {
		c := callOn(t, server)
		dying := fleet.MediaServers[server]
		dying.Kill()
		expectMessage(t, c.ann, "reconnect", nil)
		c.expectMedia(t)
		if err := dying.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		expectUp(t, dying.Name)
	}
}

func expectUp(t *testing.T, server string) {
	t.Helper()
	testkit.Eventually(t, func() error {
		servers, err := fleet.Servers(t.Context())
		if err == nil && servers[server].Status != "up" {
			err = fmt.Errorf("%s is %s", server, servers[server].Status)
		}
		return err
	})
}

// Operators see which release each process is of.
func TestReplicas_OfBothReleases(t *testing.T) {
	for _, api := range []*harness.API{fleet.API.Only(older), fleet.API.Only(newer)} {
		var list struct {
			Items []struct{ ID, Version, State string }
		}
		request := harness.Request{Method: http.MethodGet, Path: "/v1/admin/replicas"}
		if _, err := api.Do(t.Context(), request, &list); err != nil {
			t.Fatal(err)
		}
		if len(list.Items) != 4 {
			t.Errorf("replicas: %+v", list.Items)
		}
	}
}

// While Wrappers of both releases take requests, sessions are moved off a media server all the same: what the older one
// gives up, because it does not know it, is asked for again.
func TestDrain_BesideAnOlderWrapper(t *testing.T) {
	c := callOn(t, newer)
	server := fleet.MediaServers[newer].Name
	drain(t, server, "0s", "relocate")
	testkit.Eventually(t, func() error {
		where, err := fleet.Placement(t.Context(), c.session)
		if err == nil && where.Server.Name == server {
			err = errors.New("it is still there")
		}
		return err
	})
	c.expectMedia(t)
}
