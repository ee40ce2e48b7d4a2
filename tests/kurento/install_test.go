package kurento_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/orkestro/orkestro/tests/harness"
)

// installFiles say what is installed.
var installFiles = []string{"package.json", "package-lock.json", ".npmrc"}

// install gives the directory of the modules that the programs need. They are installed once for each lock file, and
// from then on nothing is fetched.
func install(ctx context.Context) (modules string, err error) {
	root, err := harness.Root()
	if err != nil {
		return "", err
	}
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(lock)
	dir := filepath.Join(root, ".cache", "kurento-"+hex.EncodeToString(sum[:6]))
	modules = filepath.Join(dir, "node_modules")
	if _, err := os.Stat(modules); !errors.Is(err, fs.ErrNotExist) {
		return modules, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o750); err != nil {
		return "", err
	}
	made, err := os.MkdirTemp(filepath.Dir(dir), "kurento-new-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(made) }()
	if err := installInto(ctx, made); err != nil {
		return "", err
	}
	return modules, os.Rename(made, dir)
}

func installInto(ctx context.Context, dir string) error {
	for _, name := range installFiles {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
	}
	npm := exec.CommandContext(ctx, "npm", "ci", "--prefer-offline")
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return nil
}
