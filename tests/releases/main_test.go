// Package releases_test runs two releases beside each other, as they are in the middle of an upgrade: one of each
// service as it was at an earlier commit, built from the history, and one of today's. Whatever a request, an event or a
// client meets, it works. In a clone without the history it is skipped.
package releases_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// before is the last commit of v0.4: without relocation, drains, rollouts and the chain of the audit.
const before = "2ca799e382a87ca424a976f76f87a1afa2bca89e"

// buildTimeout is generous: a machine that has built nothing yet.
const buildTimeout = 5 * time.Minute

// The first of each service is of the earlier release, the second of today's.
const (
	older = 0
	newer = 1
)

var (
	fleet *harness.Fleet
	// olderPrograms is the directory of the earlier release.
	olderPrograms string
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	if testing.Short() {
		fmt.Println("releases: skipped, it starts a whole fleet")
		return 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
	defer cancel()
	programs, err := harness.BuildCommit(ctx, before)
	if errors.Is(err, harness.ErrNoCommit) {
		fmt.Println("releases: skipped,", err)
		return 0
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "releases:", err)
		return 1
	}
	olderPrograms = programs
	return harness.Main(m, "releases", harness.Options{
		RestAPIs: 2, Wrappers: 2, MediaServers: 2, LogLevel: "info",
		Programs: map[string]string{"restapi-1": programs, "wrapper-1": programs, "mediaserver-1": programs},
	}, &fleet)
}

// call is a session on a given media server with two users, who publish and receive, each by a replica of its own.
type call struct {
	session  string
	ann, ben *harness.User
}

// callOn makes a call on that media server: nothing is placed on the other one meanwhile.
func callOn(t *testing.T, server int) call {
	t.Helper()
	undrain := drain(t, fleet.MediaServers[1-server].Name, "1h", "wait")
	c := call{session: fleet.NewSession(t)}
	c.ann = harness.Join(t, fleet.API.Only(older), c.session, "ann")
	c.ben = harness.Join(t, fleet.API.Only(newer), c.session, "ben")
	where, err := fleet.Placement(t.Context(), c.session)
	if err != nil {
		t.Fatal(err)
	}
	if want := fleet.MediaServers[server]; where.Server != want {
		t.Fatalf("the session is on %s, want %s", where.Server.Name, want.Name)
	}
	undrain()
	c.ann.Publish()
	c.ben.Publish()
	c.expectMedia(t)
	return c
}

// drain drains a media server until undrain is called, or the test ends.
func drain(t *testing.T, server, timeout, then string) (undrain func()) {
	t.Helper()
	api := fleet.API.Only(newer) // the older one knows no drains
	path := "/v1/admin/servers/" + server + "/drain"
	begin := harness.Request{Method: http.MethodPost, Path: path, Body: map[string]any{"timeout": timeout, "then": then}}
	if _, err := api.Do(t.Context(), begin, nil); err != nil {
		t.Fatalf("drain %s: %v", server, err)
	}
	undrain = sync.OnceFunc(func() {
		end := harness.Request{Method: http.MethodDelete, Path: path}
		if _, err := api.Do(context.Background(), end, nil); err != nil {
			t.Errorf("undrain %s: %v", server, err)
		}
	})
	t.Cleanup(undrain)
	return undrain
}

// expectMedia waits until both get new media of the other.
func (c call) expectMedia(t *testing.T) {
	t.Helper()
	for _, f := range []struct{ sender, receiver *harness.User }{{c.ann, c.ben}, {c.ben, c.ann}} {
		for _, kind := range []string{"audio", "video"} {
			first := f.receiver.Packets(f.receiver.Streams()[f.sender.ID], kind)
			testkit.Eventually(t, func() error {
				stream := f.receiver.Streams()[f.sender.ID]
				if got := f.receiver.Packets(stream, kind) - first; stream == "" || got < 20 {
					return fmt.Errorf("%s got %d packets of %s of %s (stream %q); failures %v, %v", f.receiver.ID, got, kind,
						f.sender.ID, stream, f.receiver.Failures(), f.sender.Failures())
				}
				return nil
			})
		}
	}
}

// expectMessage waits until a user has got a message of a type.
func expectMessage(t *testing.T, u *harness.User, kind string, match func(harness.Message) bool) {
	t.Helper()
	testkit.Eventually(t, func() error {
		var types []string
		for _, m := range u.Messages() {
			if types = append(types, m.Type); m.Type == kind && (match == nil || match(m)) {
				return nil
			}
		}
		return fmt.Errorf("%s has no such %s among %v; failures %v", u.ID, kind, types, u.Failures())
	})
}
