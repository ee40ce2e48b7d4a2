package app_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/services/mediaserver/app"
)

// A folder that is not there is no reason to begin without files.
func TestRun_FolderOfFiles(t *testing.T) {
	cfg := app.Config{Listen: "127.0.0.1:0"}
	cfg.Media.Files = filepath.Join(t.TempDir(), "none")
	if err := app.Run(t.Context(), cfg, app.Deps{}, silent()); err == nil || !strings.Contains(err.Error(), "--media-files") {
		t.Errorf("started with a folder that is not there: %v", err)
	}
}
