package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

const (
	controlGrace = 5 * time.Second
	// controlOutage is longer than that, in packets of 50 a second.
	controlOutage = 325
)

// TestControlPlane_DiesDuringACall kills all REST replicas and all Wrappers at once, alone and together with what they
// stand on, for longer than the grace time, and starts them again. Media goes on, and everything else does afterwards as
// if nothing had happened; what happened meanwhile is found.
func TestControlPlane_DiesDuringACall(t *testing.T) {
	f := startControl(t)
	for _, c := range []struct {
		name string
		all  bool // broker and database, too
	}{{"alone", false}, {"with broker and database", true}} {
		t.Run(c.name, func(t *testing.T) {
			if c.all && f.Store == nil {
				t.Skip("the database is not ours to stop")
			}
			outlive(t, f, c.all)
		})
	}
}

func startControl(t *testing.T) *harness.Fleet {
	t.Helper()
	f, err := harness.Start(t.Context(), "control-plane", harness.Options{
		RestAPIs: 2, Wrappers: 2, MediaServers: 2, LogLevel: "info",
		Settings: map[string][]string{
			"wrapper":     {"--grace-time=" + controlGrace.String(), "--sweep-period=500ms"},
			"mediaserver": {"--media-disconnected=1s", "--media-failed=2s"},
		},
	})
	must(t, err)
	t.Cleanup(func() {
		if err := f.Close(t.Failed()); err != nil {
			t.Errorf("the fleet did not end well: %v", err)
		}
	})
	return f
}

// outlive is a call during an outage of the control plane.
func outlive(t *testing.T, f *harness.Fleet, all bool) {
	t.Helper()
	session, err := f.API.CreateSession(t.Context(), "")
	must(t, err)
	var users []*harness.User
	for _, id := range []string{"ann", "ben", "goner"} {
		users = append(users, harness.Join(t, f.API, session, id))
		users[len(users)-1].Publish()
	}
	ann, ben, goner := users[0], users[1], users[2]
	chat := startChat(t, f.API, session)
	expectMedia(t, users...)
	missing := countMissing(users[:2])

	killControl(t, f, all)
	goner.Close()
	outlast := newFlow(ann, ben, "video")
	testkit.Eventually(t, func() error { return outlast.reaches(controlOutage) })
	began := time.Now()
	startControlAgain(t, f, all)
	t.Logf("everything was there again after %s", time.Since(began))

	expectTalk(t, ann, ben, "as if nothing had happened")
	dan := harness.Join(t, f.API, session, "dan")
	dan.Publish()
	expectMedia(t, ann, ben, dan)
	t.Logf("a user joined and sends and receives after %s", time.Since(began))
	if lost := countMissing(users[:2]) - missing; lost > 0 {
		t.Errorf("%d packets were lost", lost)
	}
	subscribeAnew(t, f.API, ben)
	expectMedia(t, ann, ben, dan)
	must(t, dan.Leave(t.Context()))
	for _, left := range []string{"dan", "goner"} {
		testkit.Eventually(t, func() error { return once(ann, "user-left", about(left)) })
		testkit.Eventually(t, func() error { return once(ben, "user-left", about(left)) })
	}
	t.Logf("who had left meanwhile was found after %s", time.Since(began))
	chat.expectThere(t)
	for _, u := range []*harness.User{ann, ben} {
		if has(u, "reconnect", nil) || has(u, "disconnected", nil) {
			t.Errorf("%s was told of the loss of a media server, but none was lost", u.ID)
		}
		if n := count(u, "user-left", nil); n != 2 {
			t.Errorf("%s was told of %d who left, want two", u.ID, n)
		}
	}
	must(t, f.API.CloseSession(t.Context(), session))
	testkit.Eventually(t, func() error { return once(ann, "session-closed", nil) })
}

func killControl(t *testing.T, f *harness.Fleet, all bool) {
	t.Helper()
	for _, p := range slices.Concat(f.RestAPIs, f.Wrappers) {
		p.Kill()
	}
	if all {
		must(t, f.Broker.Kill())
		f.Store.Kill()
	}
}

func startControlAgain(t *testing.T, f *harness.Fleet, all bool) {
	t.Helper()
	if all {
		must(t, f.Broker.Restart(t.Context()))
		must(t, f.Store.Start(t.Context()))
	}
	var starting sync.WaitGroup
	for _, p := range slices.Concat(f.RestAPIs, f.Wrappers) {
		starting.Go(func() {
			if err := p.Start(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		})
	}
	starting.Wait()
}

// subscribeAnew has a user receive nothing for a while.
func subscribeAnew(t *testing.T, api *harness.API, u *harness.User) {
	t.Helper()
	for _, mode := range []string{"list", "all"} {
		_, err := api.Do(t.Context(), harness.Request{
			Method: http.MethodPut, Path: "/v1/sessions/" + u.Session + "/users/" + u.ID + "/subscriptions",
			Body: map[string]any{"mode": mode}, Bearer: u.Token,
		}, nil)
		must(t, err)
	}
}

// reaches is nil once so many packets have arrived.
func (f *flow) reaches(n int) error {
	if got := f.receiver.Packets(f.receiver.Streams()[f.sender.ID], f.kind) - f.before; got < n {
		return fmt.Errorf("%d packets have arrived, want %d", got, n)
	}
	return nil
}

// chat is a user without media that polls whenever it can.
type chat struct {
	api *harness.API
	member
}

func startChat(t *testing.T, api *harness.API, session string) chat {
	t.Helper()
	joined, err := api.Join(t.Context(), session, "chat")
	must(t, err)
	inbox := harness.NewInbox(api, session, "chat", joined.Token)
	ctx, cancel := context.WithCancel(context.Background())
	var polling sync.WaitGroup
	polling.Go(func() {
		for ctx.Err() == nil {
			if _, err := inbox.Poll(ctx, time.Second, 64); err != nil {
				select {
				case <-ctx.Done():
				case <-time.After(100 * time.Millisecond):
				}
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		polling.Wait()
	})
	return chat{api, member{session, "chat", joined.Token}}
}

// expectThere checks that the user was not removed.
func (c chat) expectThere(t *testing.T) {
	t.Helper()
	_, err := c.api.Do(t.Context(), harness.Request{
		Method: http.MethodGet, Path: strings.Join([]string{"/v1/sessions", c.session, "users", c.id}, "/"),
	}, nil)
	if problem := new(harness.ProblemError); errors.As(err, &problem) {
		t.Errorf("the user who could not poll is gone: %v", err)
	}
	must(t, err)
}
