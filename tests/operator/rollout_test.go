package operator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/pkg/testkit/rabbit"
	"github.com/orkestro/orkestro/tests/harness"
)

// upgrade is a fleet of its own whose media servers get another release, and what runs on it.
type upgrade struct {
	*harness.Fleet
	t     *testing.T
	store *store.Store
	users []*harness.User // two of each session
}

func startUpgrade(t *testing.T) *upgrade {
	t.Helper()
	f, err := harness.Start(t.Context(), "rollout", harness.Options{
		RestAPIs: 1, Wrappers: 2, MediaServers: 3, LogLevel: "info",
		Settings: map[string][]string{"mediaserver": {"--release=v1"}, "wrapper": {"--reconcile-period=1s"}},
	})
	if errors.Is(err, rabbit.ErrNotInstalled) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(t.Failed()); err != nil {
			t.Error(err)
		}
	})
	st, err := f.OpenStore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close(context.Background()) })
	u := &upgrade{Fleet: f, t: t, store: st}
	for range 2 {
		session := f.NewSession(t)
		for _, name := range []string{"ann", "ben"} {
			user, err := harness.NewThriftyUser(t.Context(), f.API, session, name, 50*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(user.Close)
			user.Publish()
			u.users = append(u.users, user)
		}
	}
	u.expectMedia()
	return u
}

// expectMedia waits until everybody gets new media, and checks that nobody had to leave for it.
func (u *upgrade) expectMedia() {
	u.t.Helper()
	for _, user := range u.users {
		before := user.Received()
		testkit.Eventually(u.t, func() error {
			if got := user.Received() - before; got < 20 {
				return fmt.Errorf("%s of %s got %d packets; failures %v", user.ID, user.Session, got, user.Failures())
			}
			return nil
		})
		for _, m := range user.Messages() {
			if m.Type == "user-left" || m.Type == "session-closed" {
				u.t.Errorf("%s of %s got %s", user.ID, user.Session, m.Type)
			}
		}
	}
}

// rollout is what `orkestro rollout status --json` says.
type rollout struct {
	ID, State, Reason string
	Total, Replaced   int
	Share             *struct {
		Number  int
		Phase   string
		Servers []struct{ ID, State string }
	}
}

// operate runs `orkestro rollout`.
func (u *upgrade) operate(args ...string) rollout {
	u.t.Helper()
	status, stdout, stderr, err := u.Operator(u.t.Context(), append(append([]string{"rollout"}, args...), "--json")...)
	if err != nil || status != 0 {
		u.t.Fatalf("orkestro rollout %v: status %d, %v:\n%s%s", args, status, err, stdout, stderr)
	}
	var r rollout
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		u.t.Fatalf("orkestro rollout %v: %v:\n%s", args, err, stdout)
	}
	return r
}

// supervise restarts what is drained with another release, as a supervisor does, until the rollout has come so far.
func (u *upgrade) supervise(release string, far func(control.Rollout) bool) control.Rollout {
	u.t.Helper()
	var r control.Rollout
	testkit.Eventually(u.t, func() error {
		list, err := u.store.Rollouts.List(u.t.Context(), "", 1)
		if err != nil {
			return err
		}
		if r = list[0]; far(r) {
			return nil
		}
		servers, err := u.store.MediaServers.List(u.t.Context())
		if err != nil {
			return err
		}
		var restarting errgroup.Group
		for i, s := range servers { // both by name
			if s.Availability == control.AvailabilityDrained && s.Version != release && s.Status == control.StatusUp {
				restarting.Go(func() error { return restart(u.t.Context(), u.MediaServers[i], release) })
			}
		}
		if err := restarting.Wait(); err != nil {
			u.t.Fatal(err)
		}
		return fmt.Errorf("the rollout is %s (%s), share %+v", r.State, r.Reason, r.Share)
	})
	return r
}

// restart ends a media server that is drained, which it does at once and well, and starts it with another release.
func restart(ctx context.Context, p *harness.Process, release string) error {
	if err := errors.Join(p.Terminate(), p.Ended(10*time.Second)); err != nil {
		return fmt.Errorf("%s, drained, at SIGTERM: %w", p.Name, err)
	}
	p.SetFlag("release", release)
	return p.Start(ctx)
}

// killLeader kills the Wrapper that leads.
func (u *upgrade) killLeader() *harness.Process {
	u.t.Helper()
	var holder string
	testkit.Eventually(u.t, func() (err error) {
		holder, err = u.store.Leases.Holder(u.t.Context(), "fleet")
		return err
	})
	for _, w := range u.Wrappers {
		if w.Name == holder {
			w.Kill()
			return w
		}
	}
	u.t.Fatalf("%q leads, which is none of ours", holder)
	return nil
}

// A fleet with calls gets another release, a share at a time, while the Wrapper that leads is killed: it ends, nobody is
// left behind, and media flows. The next release is worse: the rollout stops by itself, and is aborted.
func TestRollout_ReplacesEveryMediaServer(t *testing.T) {
	u := startUpgrade(t)
	started := u.operate("start", "--to=v2", "--percent=34", "--timeout=6s")
	if started.State != "running" {
		t.Fatalf("started: %+v", started)
	}
	u.supervise("v2", func(r control.Rollout) bool { return r.Share != nil && r.Share.Phase == control.RolloutRelocating })
	killed := u.killLeader()
	done := u.supervise("v2", func(r control.Rollout) bool { return !r.State.Live() })
	if done.State != control.RolloutDone || done.Replaced != 3 || done.Shares != 2 || done.New.Failed > 0 {
		t.Fatalf("it ended as %+v", done)
	}
	servers, err := u.store.MediaServers.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range servers {
		if s.Version != "v2" || s.Availability != control.AvailabilityActive || s.Status != control.StatusUp {
			t.Errorf("%s runs %s, is %s and %s", s.ID, s.Version, s.Availability, s.Status)
		}
	}
	u.expectMedia()
	u.expectAudit(done)
	if err := killed.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	u.failsWith("v3")
}

// expectAudit checks that each step is one entry, whoever led.
func (u *upgrade) expectAudit(r control.Rollout) {
	u.t.Helper()
	entries, err := u.store.Audit.List(u.t.Context(), store.AuditFilter{Object: "rollout:" + string(r.ID), Limit: 100})
	if err != nil {
		u.t.Fatal(err)
	}
	actions := map[string]int{}
	for _, e := range entries {
		actions[e.Action]++
	}
	if actions["rollout.start"] != 1 || actions["rollout.step"] != 2*r.Shares || actions["rollout.done"] != 1 {
		u.t.Errorf("the audit has %v", actions)
	}
}

// failsWith rolls out a release whose first servers die.
func (u *upgrade) failsWith(release string) {
	u.t.Helper()
	u.operate("start", "--to="+release, "--percent=34", "--timeout=6s")
	isNew := func(w control.RolloutWatch) bool { return w.New }
	r := u.supervise(release, func(r control.Rollout) bool { return slices.ContainsFunc(r.Watched, isNew) })
	dying := r.Watched[slices.IndexFunc(r.Watched, isNew)].Server
	for _, p := range u.MediaServers {
		if p.Name == string(dying) {
			p.Kill()
		}
	}
	stopped := u.supervise(release, func(r control.Rollout) bool { return r.State == control.RolloutStopped })
	if !strings.Contains(stopped.Reason, release+" went without having been drained") {
		u.t.Errorf("it stopped because %q", stopped.Reason)
	}
	u.expectMedia() // elsewhere
	if aborted := u.operate("abort"); aborted.State != "aborted" {
		u.t.Errorf("aborted: %+v", aborted)
	}
	testkit.Eventually(u.t, func() error {
		for _, s := range u.list() {
			if s.Availability != control.AvailabilityActive {
				return fmt.Errorf("%s is %s", s.ID, s.Availability)
			}
		}
		return nil
	})
}

func (u *upgrade) list() []control.MediaServer {
	u.t.Helper()
	servers, err := u.store.MediaServers.List(u.t.Context())
	if err != nil {
		u.t.Fatal(err)
	}
	return servers
}
