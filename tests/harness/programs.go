package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// build builds the four programs into dir.
func build(ctx context.Context, root, dir string) error {
	args := append([]string{"build", "-o", dir + string(filepath.Separator)}, buildFlags()...)
	cmd := exec.CommandContext(ctx, "go", append(args, programs()...)...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("harness: build the programs: %w\n%s", err, out)
	}
	return nil
}
