package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// ErrNoCommit says that the history that is there does not reach back to a commit, as in a shallow clone.
var ErrNoCommit = errors.New("harness: this clone does not have the commit")

// BuildCommit builds the services as they were at an earlier commit of this repository, and gives the directory of the
// programs. It is done once for a checkout. Errors: [ErrNoCommit].
func BuildCommit(ctx context.Context, commit string) (dir string, err error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	if exec.CommandContext(ctx, "git", "-C", root, "cat-file", "-e", commit+"^{commit}").Run() != nil {
		return "", fmt.Errorf("%w %s", ErrNoCommit, commit)
	}
	shared := filepath.Join(root, "bin", "commit-"+commit[:7])
	if err := os.MkdirAll(shared, 0o750); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(shared, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	programs := filepath.Join(shared, "programs")
	if _, err := os.Stat(programs); err == nil {
		return programs, nil
	}
	source := filepath.Join(shared, "source")
	if err := checkOut(ctx, root, commit, source); err != nil {
		return "", err
	}
	return programs, buildAt(ctx, source, programs)
}

// checkOut writes the files of a commit into a new directory.
func checkOut(ctx context.Context, root, commit, dir string) error {
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o750)); err != nil {
		return err
	}
	archive, err := exec.CommandContext(ctx, "git", "-C", root, "archive", commit).Output()
	if err != nil {
		return fmt.Errorf("harness: read commit %s: %w", commit, err)
	}
	unpack := exec.CommandContext(ctx, "tar", "-x", "-C", dir)
	unpack.Stdin = bytes.NewReader(archive)
	if out, err := unpack.CombinedOutput(); err != nil {
		return fmt.Errorf("harness: unpack commit %s: %w\n%s", commit, err, out)
	}
	return nil
}

// buildAt builds the services whose sources are in a directory; what is there in the end is complete.
func buildAt(ctx context.Context, source, programs string) error {
	half := programs + ".part"
	if err := os.RemoveAll(half); err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", half+string(filepath.Separator),
		"./services/restapi", "./services/wrapper", "./services/mediaserver")
	build.Dir = source
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("harness: build %s: %w\n%s", source, err, out)
	}
	return errors.Join(os.Rename(half, programs), os.RemoveAll(source))
}

// SetFlag has a process start with a flag from the next time on, in place of an earlier one of that name.
func (p *Process) SetFlag(name, value string) {
	prefix := "--" + name + "="
	p.args = slices.DeleteFunc(slices.Clone(p.args), func(arg string) bool { return strings.HasPrefix(arg, prefix) })
	p.args = append(p.args, prefix+value)
}

// SetPrograms has a process start as the build in another directory from the next time on, and gives the one of before.
func (p *Process) SetPrograms(dir string) (before string) {
	before, name := filepath.Split(p.program)
	p.program = filepath.Join(dir, name)
	return before
}
