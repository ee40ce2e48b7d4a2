package audit_test

import (
	"strings"
	"testing"
	"time"

	"github.com/orkestro/orkestro/pkg/audit"
	"github.com/orkestro/orkestro/pkg/control"
)

// The hash is what the package promises, so that entries can be checked with any tool. This one was made by hand.
func TestHash_IsAsDocumented(t *testing.T) {
	entry := control.AuditEntry{
		Seq: 2, Previous: strings.Repeat("ab", 32), ID: "id-1", Actor: "key:ops", Action: "server.drain",
		Object: "server:m1", Reason: "1h, then relocate é", Result: "ok",
		Time: time.Date(2026, 7, 1, 14, 0, 0, 123_456_789, time.FixedZone("", 2*3600)),
	}
	if got := audit.Hash(entry); got != "6ec8e0c031cb45f23c8ce5778edd05178fef0f6864c4a1c6862e5e623116fe40" {
		t.Errorf("got %s", got)
	}
	entry.Hash = "it is no part of itself"
	if audit.Hash(entry) != "6ec8e0c031cb45f23c8ce5778edd05178fef0f6864c4a1c6862e5e623116fe40" {
		t.Error("the hash counts itself")
	}
}

// Where one field ends and the next begins is part of the hash.
func TestHash_KeepsFieldsApart(t *testing.T) {
	a := audit.Hash(control.AuditEntry{Actor: "ab", Action: "c"})
	b := audit.Hash(control.AuditEntry{Actor: "a", Action: "bc"})
	if a == b {
		t.Error("two entries have one hash")
	}
}

// However much is wrong, a verifier keeps no more than a person reads.
func TestVerifier_IsBounded(t *testing.T) {
	v := audit.NewVerifier()
	for seq := range int64(1000) {
		v.Link(control.AuditEntry{Seq: seq*2 + 2})
	}
	if found := v.Findings(); len(found) != 100 || !v.Full() {
		t.Errorf("%d findings", len(found))
	}
}

func FuzzParseHead(f *testing.F) {
	f.Add("12:" + strings.Repeat("ab", 32))
	f.Add("0:")
	f.Fuzz(func(t *testing.T, text string) {
		head, err := audit.ParseHead(text)
		if err != nil {
			return
		}
		if again, err := audit.ParseHead(head.String()); err != nil || again != head {
			t.Errorf("%q became %v, %v", text, again, err)
		}
	})
}
