package kurento_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// documentation is for programs that ask whether a refusal of theirs ("METHOD CODE CLASS" or "CLASS CODE") is in a row of
// the tables of docs/kurento.md.
func documentation(t *testing.T) orders {
	t.Helper()
	rows := strings.Split(readDocumentation(t), "\n")
	return orders{"documented": func(refusal string) (string, error) {
		parts := strings.Fields(refusal)
		if !slices.ContainsFunc(rows, func(row string) bool {
			return strings.HasPrefix(row, "|") && strings.Contains(row, parts[0]) && strings.Contains(row, parts[1])
		}) {
			return "", fmt.Errorf("%s is refused with %s, and docs/kurento.md has no row that says so", parts[0], parts[1])
		}
		return "", nil
	}}
}

func readDocumentation(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "kurento.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What the client's own description says there is, every class, method and event, works or is refused as documented.
func TestDocumentation_Everything(t *testing.T) {
	t.Parallel()
	runProgram(t, documentation(t), "everything.js", server.URL())
}

// The example of docs/kurento.md does what it says.
func TestDocumentation_Example(t *testing.T) {
	t.Parallel()
	_, rest, found := strings.Cut(readDocumentation(t), "```js\n")
	example, _, ends := strings.Cut(rest, "```")
	if !found || !ends {
		t.Fatal("there is no example")
	}
	path := filepath.Join(t.TempDir(), "loopback.js")
	if err := os.WriteFile(path, []byte(example+"\nmodule.exports = loopback;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	runProgram(t, nil, "example.js", server.URL(), path)
}

// A server that works says where it listens, and nothing more: what clients do is no news.
func TestAlone_LogIsQuiet(t *testing.T) {
	t.Parallel()
	alone := newServer(t)
	runProgram(t, nil, "hello_world.js", alone.URL())
	runProgram(t, documentation(t), "everything.js", alone.URL())
	if err := alone.Stop(); err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSpace(readLog(t, alone)), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], alone.Address) || !strings.Contains(lines[1], "stopping") {
		t.Errorf("the log has %d lines:\n%s", len(lines), strings.Join(lines, "\n"))
	}
}
