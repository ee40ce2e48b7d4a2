package k8s_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// play runs deploy/k8s/replace-drained with programs in place of kubectl and orkestro: statuses are what `orkestro rollout
// status` says one time after the other. It gives what kubectl was asked to delete.
func play(t *testing.T, statuses ...string) (deleted []string, err error) {
	t.Helper()
	if _, err := exec.LookPath("jq"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("jq is not installed")
	}
	dir := t.TempDir()
	for i, status := range statuses {
		write(t, filepath.Join(dir, "status"+string(rune('0'+i))), status)
	}
	program(t, dir, "orkestro", `
		n=$(cat $DIR/turn 2>/dev/null || echo 0)
		[ -e $DIR/status$((n + 1)) ] && echo $((n + 1)) >$DIR/turn
		[ -s $DIR/status$n ] && cat $DIR/status$n`)
	program(t, dir, "kubectl", `case "$*" in
		*"get statefulset mediaserver"*) echo new-1 ;;
		*delete*) echo "$*" >>$DIR/deleted ;;
		esac`)
	cmd := exec.CommandContext(t.Context(), "bash", deploy+"replace-drained")
	cmd.Env = append(os.Environ(), "DIR="+dir, "PAUSE=0", "PATH="+dir+":"+os.Getenv("PATH"))
	cmd.Stderr = t.Output()
	err = cmd.Run()
	text, _ := os.ReadFile(filepath.Join(dir, "deleted"))
	return strings.Split(strings.TrimSpace(string(text)), "\n"), err
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func program(t *testing.T, dir, name, script string) {
	t.Helper()
	write(t, filepath.Join(dir, name), "#!/usr/bin/env bash\n"+script)
	if err := os.Chmod(filepath.Join(dir, name), 0o700); err != nil {
		t.Fatal(err)
	}
}

const share = `{"state": "running", "share": {"servers": [
	{"id": "mediaserver-0", "state": "draining"}, {"id": "mediaserver-1", "state": "drained"}]}}`

// Only what is drained is deleted, and of it only pods that do not have the new revision: the one that has come back is
// not deleted while its registration is on the way.
func TestReplaceDrained_DeletesWhatIsDrained(t *testing.T) {
	deleted, err := play(t, `{"state": "running", "share": null}`, share, ``, share, `{"state": "done", "share": null}`)
	if err != nil {
		t.Fatal(err)
	}
	if len(deleted) != 2 {
		t.Errorf("deleted %d times, not once a look: %q", len(deleted), deleted)
	}
	for _, call := range deleted {
		for _, part := range []string{
			"-n orkestro delete pod", "-l controller-revision-hash!=new-1", "--field-selector metadata.name=mediaserver-1",
		} {
			if !strings.Contains(call, part) {
				t.Errorf("kubectl %s: there is no %q", call, part)
			}
		}
	}
}

func TestReplaceDrained_SaysThatARolloutStopped(t *testing.T) {
	for _, state := range []string{"stopped", "aborted"} {
		deleted, err := play(t, `{"state": "`+state+`", "share": null}`)
		if err == nil || deleted[0] != "" {
			t.Errorf("%s: ended with %v, deleted %q", state, err, deleted)
		}
	}
}
