package main

import (
	"bytes"
	"testing"

	"github.com/orkestro/orkestro/pkg/control"
)

// What somebody else wrote begins no line of its own, and does nothing to the terminal.
func TestOutput_IsPlainText(t *testing.T) {
	hostile := "left\n2026-11-21 \x1b[2J\t\u202eok\u009b"
	const want = "left\ufffd2026-11-21 \ufffd[2J\ufffd\ufffdok\ufffd"
	var table, line bytes.Buffer
	if err := writeTable(&table, [][]string{{hostile, "Zoë 日本"}}); err != nil {
		t.Fatal(err)
	}
	if got := table.String(); got != want+"   Zoë 日本\n" {
		t.Errorf("%q", got)
	}
	(&tailAudit{}).print(&line, control.AuditEntry{Reason: hostile})
	if !bytes.HasSuffix(line.Bytes(), []byte(want+"\n")) || bytes.Count(line.Bytes(), []byte("\n")) != 1 {
		t.Errorf("%q", line.String())
	}
}
