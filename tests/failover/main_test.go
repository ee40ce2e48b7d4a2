// Package failover_test loses media servers in every way there is: killed, frozen, cut off, and out of reach of one
// Wrapper only. A fleet of its own: three media servers, so that something is left, each of them and each Wrapper on a
// host of its own where that is permitted.
package failover_test

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

var fleet *harness.Fleet

func TestMain(m *testing.M) {
	os.Exit(harness.Main(m, "failover", harness.Options{
		RestAPIs: 2, Wrappers: 2, MediaServers: 3, Isolated: true,
	}, &fleet))
}

// needsHosts skips a test that cuts cables where there are none.
func needsHosts(t *testing.T) {
	t.Helper()
	if err := fleet.Isolated(); err != nil {
		t.Skip("skipped:", err)
	}
}

// call is a session with users who see and hear each other.
type call struct {
	id    string
	users []*harness.User
	was   harness.Placement
}

// newCall makes one, and waits for its media. It is closed at the end of the test.
func newCall(t *testing.T, users ...string) *call {
	t.Helper()
	c := &call{id: fleet.NewSession(t)}
	for _, user := range users {
		u := harness.Join(t, fleet.API, c.id, user)
		u.Publish()
		c.users = append(c.users, u)
	}
	c.waitMedia(t, 1)
	for _, u := range c.users {
		testkit.Eventually(t, func() error { return toldConnected(u) })
	}
	c.was = placement(t, c.id)
	return c
}

// toldConnected is nil once a user was told that both of its connections are up: nothing more is to come then.
func toldConnected(u *harness.User) error {
	connected := 0
	for _, m := range u.Messages() {
		if m.Type == "connection-state" && bytes.Contains(m.Data, []byte(`"connected"`)) {
			connected++
		}
	}
	if connected < 2 {
		return fmt.Errorf("%s was told of %d connections", u.ID, connected)
	}
	return nil
}

func placement(t *testing.T, session string) harness.Placement {
	t.Helper()
	p, err := fleet.Placement(t.Context(), session)
	must(t, err)
	return p
}

// waitMedia waits until everybody receives media under epoch or a later one, and gives when the last of them did first.
func (c *call) waitMedia(t *testing.T, epoch int64) time.Time {
	t.Helper()
	var last time.Time
	for _, u := range c.users {
		testkit.Eventually(t, func() error {
			first, found := u.FirstMedia(epoch)
			if !found {
				return fmt.Errorf("%s has no media under epoch %d; failures %v", u.ID, epoch, u.Failures())
			}
			if first.After(last) {
				last = first
			}
			return nil
		})
	}
	return last
}

// mark begins to look for gaps and messages.
func (c *call) mark() (messages []int) {
	for _, u := range c.users {
		u.Mark()
		messages = append(messages, len(u.Messages()))
	}
	return messages
}

// gapLimit is what a machine that is busy with tests may keep a packet waiting; a rebuild takes its time on top of the
// two round trips of a new connection.
const gapLimit = time.Second

// expectUndisturbed checks that nothing has happened to a call since the mark: same pipeline, no message, no gap.
func (c *call) expectUndisturbed(t *testing.T, messages []int) {
	t.Helper()
	if now := placement(t, c.id); now != c.was {
		t.Errorf("session %s is on %s in epoch %d, was on %s in %d",
			c.id, now.Server.Name, now.Epoch, c.was.Server.Name, c.was.Epoch)
	}
	for i, u := range c.users {
		for _, m := range u.Messages()[messages[i]:] {
			t.Errorf("%s was told: %s %s", u.ID, m.Type, m.Data)
		}
		for owner, stream := range u.Streams() {
			if owner == u.ID {
				continue
			}
			if seen := u.Arrivals(stream, "video"); seen.Packets == 0 || seen.Gap > gapLimit {
				t.Errorf("%s received %d packets of %s with a gap of %s", u.ID, seen.Packets, owner, seen.Gap)
			}
		}
	}
}

// elsewhere is a call on another server than c.
func (c *call) elsewhere(t *testing.T) *call {
	t.Helper()
	for range 8 {
		if other := newCall(t, "cat", "dan"); other.was.Server != c.was.Server {
			return other
		}
	}
	t.Fatalf("all sessions are placed on %s", c.was.Server.Name)
	return nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
