package app_test

import (
	"crypto/ed25519"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/audit"
	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/membership"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/services/restapi/app"
)

// operatorsCalls is what the audit has of calls under /v1/admin: action, object and result.
func (f *fleet) operatorsCalls() (calls [][3]string) {
	f.tb.Helper()
	entries, err := f.store.Audit.List(f.tb.Context(), store.AuditFilter{Chain: true, Limit: 200})
	if err != nil {
		f.tb.Fatal(err)
	}
	for _, e := range entries {
		if e.Actor == "key:backend" {
			calls = append(calls, [3]string{e.Action, e.Object, e.Result})
		}
	}
	return calls
}

func TestAudit_HasOperatorsCallsThatWereRefused(t *testing.T) {
	f := newFleet(t, 1, nil)
	f.problem(f.call(apiKey, "POST", "/v1/admin/servers/m1/drain", map[string]any{"then": "jump"}), 422, "invalid")
	f.problem(f.call(apiKey, "POST", "/v1/admin/servers/m1/drain", map[string]any{"timeout": "1h", "then": "wait"}),
		404, "not_found")
	f.problem(f.call(apiKey, "POST", "/v1/admin/rollouts", map[string]any{}), 422, "invalid")
	f.problem(f.call(apiKey, "PUT", "/v1/admin/membership", map[string]any{"manifest": "x"}), 422, "invalid")
	f.problem(f.call("nobody", "DELETE", "/v1/admin/servers/m1/drain", nil), 401, "unauthorized")
	f.must(http.StatusOK, apiKey, "GET", "/v1/admin/servers", nil)
	want := [][3]string{
		{"call.refuse", "call:POST /v1/admin/servers/m1/drain", "invalid"},
		{"server.drain", "server:m1", "not_found"},
		{"call.refuse", "call:POST /v1/admin/rollouts", "invalid"},
		{"membership.manifest", "membership:manifest", "invalid"},
	}
	if got := f.operatorsCalls(); !slices.Equal(got, want) {
		t.Errorf("entered:\n%v, want:\n%v", got, want)
	}
}

// A call that is made again with its key is answered as before, and is one entry.
func TestAudit_HasARefusalOnce(t *testing.T) {
	f := newFleet(t, 1, nil)
	for range 2 {
		f.problem(f.call(apiKey, "POST", "/v1/admin/servers/m1/drain", object{}, "Idempotency-Key", "k"), 404, "not_found")
	}
	if got := f.operatorsCalls(); len(got) != 1 {
		t.Errorf("entered: %v", got)
	}
}

func newMembershipKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	key, err := membership.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestMembership_TakesOnlyManifestsThatTheKeyLeadsTo(t *testing.T) {
	first, second, stranger := newMembershipKey(t), newMembershipKey(t), newMembershipKey(t)
	f := newFleet(t, 1, func(c *app.Config) { c.MembershipKey = string(membership.KeyOf(first)) })
	put := func(m membership.Manifest, keys ...ed25519.PrivateKey) answer {
		t.Helper()
		document, err := m.Sign(keys...)
		if err != nil {
			t.Fatal(err)
		}
		return f.call(apiKey, "PUT", "/v1/admin/membership", map[string]any{"manifest": document})
	}
	m1 := membership.First(membership.KeyOf(first))
	m2 := m1.Next(membership.KeyOf(second), time.Now(), time.Hour)
	skipping := m2
	skipping.Generation, skipping.Accepts = 3, []membership.Accept{{Generation: 3, Key: membership.KeyOf(second)}}
	f.problem(put(m2, stranger), 403, "forbidden")
	f.problem(put(m2, second), 403, "forbidden")
	f.problem(put(skipping, first), 409, "conflict")
	f.problem(put(m1, first), 409, "conflict")
	for range 2 { // and again, as who has lost the answer
		if got := put(m2, first, second); got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	other := m1.Next(membership.KeyOf(stranger), time.Now(), 0)
	f.problem(put(other, first), 409, "conflict")
	f.problem(put(m2.Next(membership.KeyOf(stranger), time.Now(), 0), first), 403, "forbidden")

	var shown struct {
		Enabled    bool
		Generation int64
		Accepts    []struct{ Generation int64 }
	}
	f.must(http.StatusOK, apiKey, "GET", "/v1/admin/membership", nil).decode(t, &shown)
	if !shown.Enabled || shown.Generation != 2 || len(shown.Accepts) != 2 {
		t.Errorf("%+v", shown)
	}
	documents, err := f.store.Membership.Documents(t.Context())
	if err != nil || len(documents) != 1 {
		t.Errorf("%d manifests are stored, %v", len(documents), err)
	}
}

func TestMembership_IsShownOfServers(t *testing.T) {
	key := newMembershipKey(t)
	f := newFleet(t, 1, func(c *app.Config) { // as it comes out of a file
		c.MembershipKey = " " + string(membership.KeyOf(key)) + "\n"
	})
	expires := time.Now().Add(time.Hour).Truncate(time.Second)
	credential, err := membership.Issue(key, membership.Token{
		Server: "member", Version: "v1", Generation: 1, NotBefore: time.Now().Add(-time.Hour), Expires: expires,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []control.MediaServerID{"member", "stranger"} {
		s := control.MediaServer{ID: id, Instance: "i", Version: "v1", StartedAt: time.Now(), HeartbeatAt: time.Now()}
		if id == "member" {
			s.Membership = credential.Present(s)
		}
		if err := f.store.MediaServers.Register(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	var list struct {
		Items []struct {
			ID         string
			Membership struct {
				State, Reason string
				ExpiresAt     time.Time
			}
		}
	}
	f.must(http.StatusOK, apiKey, "GET", "/v1/admin/servers", nil).decode(t, &list)
	if m := list.Items[0].Membership; m.State != "admitted" || !m.ExpiresAt.Equal(expires) {
		t.Errorf("a member: %+v", m)
	}
	if m := list.Items[1].Membership; m.State != "refused" || m.Reason != membership.RefusedMissing {
		t.Errorf("a stranger: %+v", m)
	}
}

// The API gives the audit so that it can be verified from outside, page by page.
func TestAudit_IsAChainOverHTTP(t *testing.T) {
	f := newFleet(t, 1, nil)
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		entry := control.AuditEntry{ID: id, Time: time.Now(), Object: "session:" + id, Reason: "<&>\u2028", Result: "ok"}
		if err := f.store.Audit.Append(t.Context(), entry); err != nil {
			t.Fatal(err)
		}
	}
	verifier := audit.NewVerifier()
	for cursor := ""; ; {
		var page struct {
			Items []control.AuditEntry
			Next  string
		}
		f.must(http.StatusOK, apiKey, "GET", "/v1/admin/audit?order=chain&limit=2&cursor="+cursor, nil).decode(t, &page)
		for _, e := range page.Items {
			verifier.Link(e)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	head, err := f.store.Audit.Head(t.Context())
	if err != nil || verifier.Head() != head || head.Seq < 5 || len(verifier.Findings()) > 0 {
		t.Errorf("head %v of %v, %+v, %v", verifier.Head(), head, verifier.Findings(), err)
	}
	var last struct{ Items []control.AuditEntry }
	f.must(http.StatusOK, apiKey, "GET", "/v1/admin/audit?order=head&limit=1", nil).decode(t, &last)
	if audit.HeadAt(last.Items[0]) != head {
		t.Errorf("the last entry is %+v", last.Items[0])
	}
	f.problem(f.call(apiKey, "GET", "/v1/admin/audit?order=newest&after=3", nil), http.StatusUnprocessableEntity, "invalid")
}
