package logging_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/pkg/logging"
)

// An outage is two lines, whoever notices it.
func TestOutage_TwoLines(t *testing.T) {
	var log bytes.Buffer
	o := logging.NewOutage(slog.New(slog.NewTextHandler(&log, nil)), "broker", "a", "b")
	said := func() string {
		defer log.Reset()
		return log.String()
	}
	expect := func(lines int, of string) {
		t.Helper()
		if text := said(); strings.Count(text, "\n") != lines || !strings.Contains(text, of) {
			t.Errorf("want %d lines of %q, got:\n%s", lines, of, text)
		}
	}
	o.There("a")
	expect(0, "")
	o.There("b")
	o.There("b")
	expect(1, "level=INFO msg=\"dependency is there\" dependency=broker\n")
	o.Away("a", errors.New("it died"))
	o.Away("b", errors.New("it died"))
	o.Away("a", errors.New("it is dead"))
	expect(1, `level=WARN msg="dependency is away" dependency=broker error="it died"`)
	o.There("a")
	expect(0, "")
	o.There("b")
	expect(1, `level=INFO msg="dependency is there" dependency=broker duration_ms=`)
	o.Note(nil)
	expect(0, "")
	o.Note(errors.New("it died"))
	o.Note(errors.New("it died"))
	expect(1, "away")
	o.Note(nil)
	expect(1, "there")
}
