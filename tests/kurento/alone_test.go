package kurento_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The example of docs/kurento.md does what it says.
func TestDocumentation_Example(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "kurento.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```js\n")
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
	runProgram(t, nil, "everything.js", alone.URL())
	if err := alone.Stop(); err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSpace(readLog(t, alone)), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], alone.Address) || !strings.Contains(lines[1], "stopping") {
		t.Errorf("the log has %d lines:\n%s", len(lines), strings.Join(lines, "\n"))
	}
}
