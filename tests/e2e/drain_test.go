package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// endTimeout is generous: a server that drains ends when the last session has gone, and the cores are shared.
const endTimeout = time.Minute

// TestDrain_AProcessThatIsAskedToEnd sends SIGTERM to the media server of a running call. It takes no other session, but
// whoever joins that one; when an operator gives it no more time the call moves, and the process ends well.
func TestDrain_AProcessThatIsAskedToEnd(t *testing.T) {
	session := fleet.NewSession(t)
	users := join(t, session, "ann", "ben")
	expectMedia(t, users...)
	streams := users[0].Streams()
	server := terminate(t, session)

	users = append(users, join(t, session, "cid")...)
	expectMedia(t, users...)
	for range 3 {
		other := fleet.NewSession(t)
		join(t, other, "dan")
		if placed := serverOf(t, other); placed == server {
			t.Errorf("a new session is on %s, which drains", server.Name)
		}
	}
	if !server.Running() || serverOf(t, session) != server {
		t.Fatal("it did not wait for its call")
	}

	for _, u := range users {
		u.Mark()
	}
	operate(t, "servers", "drain", server.Name, "--timeout", "0s")
	if err := server.Ended(endTimeout); err != nil {
		t.Fatal(err)
	}
	for _, u := range users {
		testkit.Eventually(t, func() error { return toldOfTheMove(u) })
	}
	expectMedia(t, users...)
	expectUndisturbed(t, streams, users...)
}

// TestDrain_IsUndoneAndEndedAtOnce undoes the drain of a process that was asked to end, which goes on. Asked again, and
// once more, it ends at once, and its call is rebuilt.
func TestDrain_IsUndoneAndEndedAtOnce(t *testing.T) {
	session := fleet.NewSession(t)
	users := join(t, session, "ann", "ben")
	expectMedia(t, users...)
	server := terminate(t, session)
	operate(t, "servers", "undrain", server.Name)
	testkit.Eventually(t, func() error { return logs(server, "the drain was undone") })
	expectAvailability(t, server, control.AvailabilityActive)
	expectMedia(t, users...)
	if !server.Running() {
		t.Fatal("it ended although that was undone")
	}

	must(t, server.Terminate())
	expectAvailability(t, server, control.AvailabilityDraining)
	must(t, server.Terminate())
	if err := server.Ended(endTimeout); err != nil {
		t.Fatal(err)
	}
	for _, u := range users {
		testkit.Eventually(t, func() error { return toldOfTheLoss(u) })
	}
	expectMedia(t, users...)
}

// TestDrain_TheServerDiesMeanwhile kills media servers that drain: their calls are rebuilt. One that was asked to end
// takes sessions again when it comes back, one that an operator drains does not.
func TestDrain_TheServerDiesMeanwhile(t *testing.T) {
	for name, c := range map[string]struct {
		drain func(t *testing.T, session string) *harness.Process
		after control.Availability
	}{
		"asked to end": {terminate, control.AvailabilityActive},
		"drained by an operator": {func(t *testing.T, session string) *harness.Process {
			t.Helper()
			server := serverOf(t, session)
			operate(t, "servers", "drain", server.Name, "--then", "wait")
			return server
		}, control.AvailabilityDraining},
	} {
		t.Run(name, func(t *testing.T) {
			session := fleet.NewSession(t)
			users := join(t, session, "ann", "ben")
			expectMedia(t, users...)
			server := c.drain(t, session)
			server.Kill()
			for _, u := range users {
				testkit.Eventually(t, func() error { return toldOfTheLoss(u) })
			}
			expectMedia(t, users...)
			must(t, server.Start(t.Context()))
			expectAvailability(t, server, c.after)
			operate(t, "servers", "undrain", server.Name)
			expectAvailability(t, server, control.AvailabilityActive)
		})
	}
}

// TestDrain_WhileTheDatabaseIsAway asks a media server to end while the database does not answer: media goes on, and the
// drain begins when it does again. Asked twice, it ends without it.
func TestDrain_WhileTheDatabaseIsAway(t *testing.T) {
	ownStore(t)
	session := fleet.NewSession(t)
	users := join(t, session, "ann", "ben")
	expectMedia(t, users...)
	server := serverOf(t, session)
	restartAfter(t, server)

	thaw := freeze(t, fleet.Store)
	must(t, server.Terminate())
	testkit.Eventually(t, func() error { return logs(server, `"type":"drain"`) })
	expectMedia(t, users...)
	thaw()
	expectAvailability(t, server, control.AvailabilityDraining)

	thaw = freeze(t, fleet.Store)
	must(t, server.Terminate())
	if err := server.Ended(endTimeout); err != nil {
		t.Error(err)
	}
	thaw()
	for _, u := range users {
		testkit.Eventually(t, func() error { return toldOfTheLoss(u) })
	}
	expectMedia(t, users...)
}

// freeze stops a process in its tracks until thaw is called.
func freeze(t *testing.T, p *harness.Process) (thaw func()) {
	t.Helper()
	must(t, p.Pause())
	thaw = sync.OnceFunc(func() {
		if err := p.Resume(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(thaw)
	return thaw
}

// restartAfter has a media server be there again after the test.
func restartAfter(t *testing.T, server *harness.Process) {
	t.Helper()
	t.Cleanup(func() {
		if server.Running() {
			_ = server.Stop()
		}
		if err := server.Start(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// terminate sends SIGTERM to the media server of a session, which then drains. It is there again after the test.
func terminate(t *testing.T, session string) *harness.Process {
	t.Helper()
	server := serverOf(t, session)
	restartAfter(t, server)
	must(t, server.Terminate())
	expectAvailability(t, server, control.AvailabilityDraining)
	return server
}

func expectAvailability(t *testing.T, server *harness.Process, want control.Availability) {
	t.Helper()
	testkit.Eventually(t, func() error {
		servers, err := fleet.Servers(t.Context())
		if got := servers[server.Name].Availability; err == nil && got != string(want) {
			err = fmt.Errorf("%s is %s, want %s", server.Name, got, want)
		}
		return err
	})
}

// operate runs a command of the operator's program, which has to succeed.
func operate(t *testing.T, args ...string) {
	t.Helper()
	status, stdout, stderr, err := fleet.Operator(t.Context(), args...)
	if err != nil || status != 0 {
		t.Fatalf("orkestro %v: status %d, %v\n%s%s", args, status, err, stdout, stderr)
	}
}

// logs is nil once a text is in the log of a process.
func logs(p *harness.Process, text string) error {
	log, err := os.ReadFile(p.Log())
	if err == nil && !strings.Contains(string(log), text) {
		err = errors.New("not in the log of " + p.Name + ": " + text)
	}
	return err
}
