package operator_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// guarded is a fleet that asks its media servers for membership.
type guarded struct {
	*harness.Fleet
	t   *testing.T
	dir string
	key string // public
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{t: t, dir: t.TempDir(), Fleet: fleet} // keys are made without a fleet
	g.key = strings.TrimSpace(g.operate(0, "membership", "keygen", "--out", g.file("1.key")))
	setting := []string{"--membership-key=" + g.key}
	var err error
	g.Fleet, err = harness.Start(t.Context(), "membership", harness.Options{
		RestAPIs: 1, Wrappers: 2, Settings: map[string][]string{"restapi": setting, "wrapper": setting},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(t.Failed()); err != nil {
			t.Error(err)
		}
	})
	return g
}

func (g *guarded) file(name string) string { return filepath.Join(g.dir, name) }

func (g *guarded) operate(want int, args ...string) string {
	g.t.Helper()
	status, stdout, stderr, err := g.Operator(g.t.Context(), args...)
	if err != nil {
		g.t.Fatal(err)
	}
	if status != want {
		g.t.Fatalf("orkestro %v: status %d, want %d:\n%s%s", args, status, want, stdout, stderr)
	}
	return stdout
}

// sign makes the membership file of a server.
func (g *guarded) sign(key, server, version string, more ...string) (file string) {
	g.t.Helper()
	file = g.file(fmt.Sprintf("%s.%s.membership", server, key))
	g.operate(0, append([]string{
		"membership", "sign", "--key", g.file(key), "--server", server, "--release", version, "--out", file,
	}, more...)...)
	return file
}

func (g *guarded) start(id string, file string) {
	g.t.Helper()
	flags := []string{"--release=v1"}
	if file != "" {
		flags = append(flags, "--membership-file="+file)
	}
	if _, err := g.StartMediaServer(g.t.Context(), id, flags...); err != nil {
		g.t.Fatal(err)
	}
}

// refused is why each media server is refused, "" for a member.
func (g *guarded) refused() (map[string]string, error) {
	var list struct {
		Items []struct {
			ID         string
			Membership *struct{ State, Reason string }
		}
	}
	_, err := g.API.Do(g.t.Context(), harness.Request{Method: http.MethodGet, Path: "/v1/admin/servers"}, &list)
	found := map[string]string{}
	for _, s := range list.Items {
		if s.Membership == nil || (s.Membership.State == "admitted") != (s.Membership.Reason == "") {
			return nil, fmt.Errorf("%s has membership %+v", s.ID, s.Membership)
		}
		found[s.ID] = s.Membership.Reason
	}
	return found, err
}

// place makes a session with a user and gives the server that it is on.
func (g *guarded) place() (session, server string, err error) {
	session = g.NewSession(g.t)
	if _, err = g.API.Join(g.t.Context(), session, "ann"); err != nil {
		return session, "", err
	}
	var read struct{ Pipeline struct{ Server string } }
	_, err = g.API.Do(g.t.Context(), harness.Request{Method: http.MethodGet, Path: "/v1/sessions/" + session}, &read)
	return session, read.Pipeline.Server, err
}

// mustPlace has sessions of the same moment on one server only.
func (g *guarded) mustPlace(server string) (session string) {
	g.t.Helper()
	for range 4 {
		var on string
		var err error
		if session, on, err = g.place(); err != nil || on != server {
			g.t.Fatalf("a session was placed on %q, want %s: %v", on, server, err)
		}
	}
	return session
}

// expectRefusals waits until the API and the audit say why each of these is refused.
func (g *guarded) expectRefusals(want map[string]string) {
	g.t.Helper()
	testkit.Eventually(g.t, func() error {
		found, err := g.refused()
		if err != nil {
			return err
		}
		for id, reason := range want {
			if found[id] != reason {
				return fmt.Errorf("%s is refused for %q, want %q", id, found[id], reason)
			}
			if reason == "" {
				continue
			}
			printed := g.operate(0, "audit", "tail", "--json", "--object", "server:"+id)
			entries := decodeLines(g.t, printed)
			if n := count(entries, "server.refuse", reason); n != 1 {
				return fmt.Errorf("the audit of %s has %d refusals for %q:\n%s", id, n, reason, printed)
			}
			if n := count(entries, "server.register", ""); n != 1 {
				return fmt.Errorf("the audit of %s has %d registrations:\n%s", id, n, printed)
			}
		}
		return nil
	})
}

func decodeLines(t *testing.T, printed string) (entries []control.AuditEntry) {
	t.Helper()
	for line := range strings.Lines(printed) {
		var e control.AuditEntry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		entries = append(entries, e)
	}
	return entries
}

// count is how many entries there are of an action, for that reason or any.
func count(entries []control.AuditEntry, action, reason string) (n int) {
	for _, e := range entries {
		if e.Action == action && (reason == "" || e.Reason == reason) {
			n++
		}
	}
	return n
}

// TestMembership: in a fleet with a key only media servers get sessions that present a token signed for them, also
// after the key was replaced; who is refused is in the audit, and the audit holds.
func TestMembership(t *testing.T) {
	g := newGuarded(t)
	g.operate(0, "membership", "keygen", "--out", g.file("other.key"))
	good := g.sign("1.key", "good", "v1")
	g.start("good", good)
	g.start("unsigned", "")
	g.start("forged", g.sign("other.key", "forged", "v1"))
	g.start("borrower", good)
	g.start("outdated", g.sign("1.key", "outdated", "v0"))
	g.start("late", g.sign("1.key", "late", "v1", "--valid=1s"))
	g.start("early", g.sign("1.key", "early", "v1", "--generation=2"))
	g.start("thief", "")
	st := g.openStore()
	g.steal(st, "good", "thief")
	g.expectRefusals(map[string]string{
		"good": "", "unsigned": "membership missing", "forged": "membership forged",
		"borrower": "membership of another server", "outdated": "membership of another version", "late": "membership expired",
		"early": "membership not valid yet", "thief": "membership replayed",
	})
	going := g.mustPlace("good")

	g.operate(0, "membership", "rotate", "--api-key=harness-key", "--key", g.file("1.key"), "--out", g.file("2.key"),
		"--overlap=0s")
	g.expectRefusals(map[string]string{"good": "membership of a left-over generation"})
	testkit.Eventually(t, func() error {
		_, on, err := g.place()
		var problem *harness.ProblemError
		if !errors.As(err, &problem) || problem.Code != "no_capacity" ||
			!strings.Contains(problem.Detail, "good: membership of a left-over generation") {
			return fmt.Errorf("a session was placed on %q: %w", on, err)
		}
		return nil
	})
	if _, err := g.API.Join(t.Context(), going, "ben"); err != nil {
		t.Errorf("a session on a server that is no member any more does not go on: %v", err)
	}
	g.start("fresh", g.sign("2.key", "fresh", "v1", "--generation=2"))
	g.expectRefusals(map[string]string{"fresh": ""})
	g.mustPlace("fresh")

	printed := g.operate(0, "audit", "verify", "--json")
	var verified struct{ Head string }
	if err := json.Unmarshal([]byte(printed), &verified); err != nil || verified.Head == "" {
		t.Fatalf("%s: %v", printed, err)
	}
	g.operate(0, "audit", "verify", "--head", verified.Head)
	entries := decodeLines(t, g.operate(0, "audit", "tail", "--json", "--lines=0"))
	if count(entries, "membership.manifest", "") != 1 || count(entries, "replica.start", "") != 3 {
		t.Errorf("the audit lacks the manifest or the start of a replica: %+v", entries)
	}
	if !slices.IsSortedFunc(entries, func(a, b control.AuditEntry) int { return int(a.Seq - b.Seq) }) {
		t.Error("audit tail is not in the order of the chain")
	}
}

func (g *guarded) openStore() *store.Store {
	g.t.Helper()
	st, err := g.OpenStore(g.t.Context())
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = st.Close(g.t.Context()) })
	return st
}

// steal has one server present what another one does, as somebody could who reads and writes the database.
func (g *guarded) steal(st *store.Store, from, to control.MediaServerID) {
	g.t.Helper()
	owner, err := st.MediaServers.Get(g.t.Context(), from)
	if err != nil {
		g.t.Fatal(err)
	}
	thief, err := st.MediaServers.Get(g.t.Context(), to)
	if err != nil {
		g.t.Fatal(err)
	}
	if err := st.MediaServers.SetMembership(g.t.Context(), to, thief.Instance, *owner.Membership); err != nil {
		g.t.Fatal(err)
	}
}
