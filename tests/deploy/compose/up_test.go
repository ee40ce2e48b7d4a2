package compose_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fakeDocker says what `docker compose config` would, and keeps how it was called.
const fakeDocker = `#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
"compose config") printf '%s\n' "$CONFIG" ;;
"compose config --services") printf 'balancer\ndemo\n'; seq 20000 ;; # more than a pipe holds
esac
`

func TestUp(t *testing.T) {
	for name, test := range map[string]struct{ config, refused string }{
		"for trying":                   {config: "KEY: dev-only-key\nhost_ip: 127.0.0.1"},
		"for others":                   {config: "KEY: f00d\nhost_ip: 127.0.0.1\nhost_ip: 0.0.0.0"},
		"for others, as if for trying": {config: "KEY: dev-only-key\nhost_ip: 127.0.0.1\nhost_ip: 0.0.0.0", refused: "dev-only"},
		"for one that looks alike":     {config: "KEY: dev-only-key\nhost_ip: 127.0.0.100", refused: "dev-only"},
	} {
		t.Run(name, func(t *testing.T) {
			bin := t.TempDir()
			calls := filepath.Join(bin, "calls")
			if err := os.WriteFile(filepath.Join(bin, "docker"), []byte(fakeDocker), 0o700); err != nil {
				t.Fatal(err)
			}
			up := exec.CommandContext(t.Context(), filepath.Join(folder, "up"))
			up.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "CALLS="+calls, "CONFIG="+test.config)
			output, err := up.CombinedOutput()
			called, _ := os.ReadFile(calls)
			if test.refused != "" {
				if err == nil || !strings.Contains(string(output), test.refused) || strings.Contains(string(called), " up ") {
					t.Errorf("%v: %s\ncalls:\n%s", err, output, called)
				}
				return
			}
			want := "compose run --rm operator ready --restapis 2 --wrappers 2 --mediaservers 2 --demo\n"
			if err != nil || !strings.Contains(string(called), "compose up --build --detach --wait") ||
				!strings.HasSuffix(string(called), want) {
				t.Errorf("%v: %s\ncalls:\n%s", err, output, called)
			}
		})
	}
}
