package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// programs gives the packages of the four programs.
func programs() []string {
	return []string{"./cmd/orkestro", "./services/restapi", "./services/wrapper", "./services/mediaserver"}
}

// Root is the directory of the module.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("harness: not within the module")
		}
		dir = parent
	}
}

// build puts programs into dir. They are linked in a directory that all fleets of this checkout share, so that only the
// first of them takes its time, and copied, so that a fleet that restarts a program gets the same one again.
func build(ctx context.Context, root, dir string, programs ...string) error {
	shared := filepath.Join(root, "bin", "harness"+variant)
	if err := os.MkdirAll(shared, 0o750); err != nil {
		return err
	}
	unlock, err := lock(filepath.Join(shared, "lock"))
	if err != nil {
		return err
	}
	defer unlock()
	args := append([]string{"build", "-o", shared + string(filepath.Separator)}, buildFlags()...)
	cmd := exec.CommandContext(ctx, "go", append(args, programs...)...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("harness: build the programs: %w\n%s", err, out)
	}
	for _, program := range programs {
		name := filepath.Base(program)
		if err := copyProgram(filepath.Join(dir, name), filepath.Join(shared, name)); err != nil {
			return err
		}
	}
	return nil
}

// lock waits until this process alone has a file; unlock gives it up, and so does the end of the process.
func lock(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() { _ = file.Close() }, nil
}

func copyProgram(to, from string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	program, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(program, source)
	return errors.Join(err, program.Close())
}
