package app

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	nouns "github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/pkg/membership"
	"github.com/orkestro/orkestro/pkg/store"
	"github.com/orkestro/orkestro/pkg/testkit/mongo"
)

// writeMembership writes the file that a server is given.
func writeMembership(t *testing.T, path string, key ed25519.PrivateKey, version string, life time.Duration) {
	t.Helper()
	writeMembershipOf(t, path, key, "m1", version, life)
}

func writeMembershipOf(
	t *testing.T, path string, key ed25519.PrivateKey, server, version string, life time.Duration,
) {
	t.Helper()
	credential, err := membership.Issue(key, membership.Token{
		Server: server, Version: version, Generation: 1, NotBefore: time.Now(), Expires: time.Now().Add(life),
	})
	if err != nil {
		t.Fatal(err)
	}
	file, err := credential.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A file that is replaced while the server runs is shown to the fleet as it is, and nothing else of its record changes;
// what an operator should mend is said.
func TestMembership_IsRenewedWithoutARestart(t *testing.T) {
	url, database := mongo.URL(t)
	db, err := store.Open(t.Context(), url, database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	key, err := membership.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m1.membership")
	f := &fleet{
		cfg: Config{MembershipFile: path}, log: slog.New(slog.DiscardHandler),
		server: nouns.MediaServer{ID: "m1", Instance: "i1", Version: "v1", URL: "ws://m1/kurento", StartedAt: time.Now()},
	}
	if err := f.cfg.present(&f.server); err == nil || !strings.Contains(err.Error(), "--membership-file") {
		t.Errorf("without the file: %v", err)
	}
	writeMembership(t, path, key, "v1", time.Hour)
	if err := f.cfg.present(&f.server); err != nil {
		t.Fatal(err)
	}
	if err := (registry{db.MediaServers, db.Audit, ""}).Register(t.Context(), f.server); err != nil {
		t.Fatal(err)
	}
	if _, err := db.MediaServers.Reserve(t.Context(), "m1", "i1"); err != nil {
		t.Fatal(err)
	}

	verifier := membership.NewVerifier(membership.KeyOf(key))
	if err := verifier.Follow(nil); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		version string
		life    time.Duration
		says    []string // the first time, and then
	}{
		{"v1", 720 * time.Hour, []string{"", ""}},
		{"v1", time.Hour, []string{"", "the token expires at"}},
		{"v2", 720 * time.Hour, []string{"the token is for version v2"}}, // the one before stays
	} {
		writeMembership(t, path, key, step.version, step.life)
		for _, says := range step.says {
			if got := f.showMembership(t.Context(), db.MediaServers, time.Now()); (got == "") != (says == "") ||
				!strings.HasPrefix(got, says) {
				t.Errorf("%s for %s: %q, want %q", step.version, step.life, got, says)
			}
		}
		record, err := db.MediaServers.Get(t.Context(), "m1")
		if err != nil {
			t.Fatal(err)
		}
		if got := verifier.Admit(record, time.Now().Add(time.Second)).Refused; got != "" || record.Placed != 1 {
			t.Errorf("%s for %s: refused for %q, %d placed", step.version, step.life, got, record.Placed)
		}
	}
	writeMembershipOf(t, path, key, "m2", "v1", 720*time.Hour)
	if got := f.showMembership(t.Context(), db.MediaServers, time.Now()); !strings.Contains(got, "for server m2") {
		t.Errorf("the file of another server: %q", got)
	}
	if err := os.WriteFile(path, []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := f.showMembership(t.Context(), db.MediaServers, time.Now()); !strings.Contains(got, "cannot be read") {
		t.Errorf("a broken file: %q", got)
	}
	entries, err := db.Audit.List(t.Context(), store.AuditFilter{Object: "server:m1", Limit: 10})
	if err != nil || len(entries) != 1 || entries[0].Action != "server.register" {
		t.Errorf("entered: %+v, %v", entries, err)
	}
}

// A server that registers again, as its record was lost, presents what it has by then, and not what it began with; a file
// that is not its own does not replace what is good.
func TestMembership_IsFreshInEveryRegistration(t *testing.T) {
	url, database := mongo.URL(t)
	db, err := store.Open(t.Context(), url, database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	key, err := membership.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m1.membership")
	cfg := Config{MembershipFile: path}
	server := nouns.MediaServer{ID: "m1", Instance: "i1", Version: "v1", StartedAt: time.Now()}
	writeMembership(t, path, key, "v1", time.Hour)
	if err := cfg.present(&server); err != nil {
		t.Fatal(err)
	}
	verifier := membership.NewVerifier(membership.KeyOf(key))
	if err := verifier.Follow(nil); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		file    string // whose it is
		refused string // after two hours
	}{{"m2", membership.RefusedExpired}, {"m1", ""}} {
		writeMembershipOf(t, path, key, step.file, "v1", 720*time.Hour)
		if err := (registry{db.MediaServers, db.Audit, path}).Register(t.Context(), server); err != nil {
			t.Fatal(err)
		}
		record, err := db.MediaServers.Get(t.Context(), "m1")
		if err != nil {
			t.Fatal(err)
		}
		if got := verifier.Admit(record, time.Now().Add(2*time.Hour)).Refused; got != step.refused {
			t.Errorf("with the file of %s: %q, want %q", step.file, got, step.refused)
		}
	}
}
