// Package e2e_test checks the promises of Orkestro from the outside, one scenario a file: a fleet of separate processes
// with a real RabbitMQ, and clients that know the HTTP contract only. All scenarios share one fleet, each has sessions of
// its own, and one that kills a process brings it back.
package e2e_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// fleet is two of each service.
var fleet *harness.Fleet

func TestMain(m *testing.M) {
	os.Exit(harness.Main(m, "e2e", harness.Options{RestAPIs: 2, Wrappers: 2, MediaServers: 2}, &fleet))
}

// join brings users into a session, each publishing.
func join(t *testing.T, session string, ids ...string) []*harness.User {
	t.Helper()
	var users []*harness.User
	for _, id := range ids {
		u := harness.Join(t, fleet.API, session, id)
		u.Publish()
		users = append(users, u)
	}
	return users
}

// enough is the number of packets that show that media flows: half a second of it.
const enough = 25

// expectMedia waits until every user receives new audio and video from each of the others.
func expectMedia(t *testing.T, users ...*harness.User) {
	t.Helper()
	var flows []*flow
	for _, receiver := range users {
		for _, sender := range users {
			if receiver != sender {
				flows = append(flows, newFlow(sender, receiver, "video"), newFlow(sender, receiver, "audio"))
			}
		}
	}
	expectFlows(t, flows...)
}

// flow is one kind of media from one user to another.
type flow struct {
	sender, receiver *harness.User
	kind             string
	before           int // packets that had arrived when we began to look
}

func newFlow(sender, receiver *harness.User, kind string) *flow {
	return &flow{sender, receiver, kind, receiver.Packets(receiver.Streams()[sender.ID], kind)}
}

// check is nil once enough has arrived.
func (f *flow) check() error {
	stream := f.receiver.Streams()[f.sender.ID]
	if stream == "" {
		return fmt.Errorf("%s knows no stream of %s; failures %v", f.receiver.ID, f.sender.ID, f.receiver.Failures())
	}
	if got := f.receiver.Packets(stream, f.kind) - f.before; got < enough {
		return fmt.Errorf("%s received %d packets of %s of %s; failures %v, %v",
			f.receiver.ID, got, f.kind, f.sender.ID, f.receiver.Failures(), f.sender.Failures())
	}
	return nil
}

func expectFlows(t *testing.T, flows ...*flow) {
	t.Helper()
	for _, f := range flows {
		testkit.Eventually(t, f.check)
	}
}

// expectNoFailures checks that nothing went wrong in any client.
func expectNoFailures(t *testing.T, users ...*harness.User) {
	t.Helper()
	for _, u := range users {
		for _, err := range u.Failures() {
			t.Errorf("%s: %v", u.ID, err)
		}
	}
}

// has finds a message of a type that satisfies match (nil: any).
func has(u *harness.User, kind string, match func(harness.Message) bool) bool {
	for _, m := range u.Messages() {
		if m.Type == kind && (match == nil || match(m)) {
			return true
		}
	}
	return false
}
