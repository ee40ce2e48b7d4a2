package compose_test

import (
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

const buildTimeout = 5 * time.Minute

var buildLine = regexp.MustCompile(`(?m)^RUN (CGO_ENABLED=0 go build .*)$`)

// version is what the image is built as.
const version = "v9.8.7"

// image is the folder of what the line of the Dockerfile makes that builds, which is run in place of an engine, once.
func image(t *testing.T) string {
	t.Helper()
	found := buildLine.FindStringSubmatch(read(t, "Dockerfile"))
	if found == nil || !strings.Contains(found[1], " -o /out/ ") {
		t.Fatal("the Dockerfile builds nothing into /out/")
	}
	folder, err := build(found[1])
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// A test binary has no other place for what all its tests share.
var (
	building sync.Mutex
	built    string // folder, "" before the first build
)

func build(line string) (string, error) {
	building.Lock()
	defer building.Unlock()
	if built != "" {
		return built, nil
	}
	folder, err := os.MkdirTemp("", "orkestro-image-")
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
	defer cancel()

	cmd := exec.CommandContext(ctx, "sh", "-c", strings.Replace(line, " /out/ ", " "+folder+"/ ", 1))
	cmd.Dir = "../../.."
	cmd.Env = append(os.Environ(), "VERSION="+version)
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", line, err, output)
	}
	built = folder
	return built, nil
}

func TestMain(m *testing.M) {
	status := m.Run()
	_ = os.RemoveAll(built)
	os.Exit(status)
}

// TestImage_IsStatic: nothing of what is built needs anything of the system, of which the image has none.
func TestImage_IsStatic(t *testing.T) {
	if testing.Short() {
		t.Skip("builds all programs")
	}
	folder := image(t)
	for _, name := range []string{"orkestro", "restapi", "wrapper", "mediaserver"} {
		program := filepath.Join(folder, name)
		file, err := elf.Open(program)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range file.Progs {
			if part.Type == elf.PT_INTERP || part.Type == elf.PT_DYNAMIC {
				t.Errorf("%s needs a loader", name)
			}
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
		printed, err := exec.CommandContext(t.Context(), program, "--version").Output()
		if err != nil || !strings.Contains(string(printed), version) {
			t.Errorf("%s --version: %s %v", name, printed, err)
		}
	}
}

// TestDockerfile_CopiesWhatIsBuilt: what .dockerignore leaves is enough to build.
func TestDockerfile_CopiesWhatIsBuilt(t *testing.T) {
	text, err := os.ReadFile("../../../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}",
		"./cmd/orkestro", "./services/restapi", "./services/wrapper", "./services/mediaserver")
	list.Dir = "../../.."
	packages, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(packages)) {
		inside, own := strings.CutPrefix(name, "github.com/orkestro/orkestro/")
		if !own {
			continue
		}
		top, _, _ := strings.Cut(inside, "/")
		if top == "clients" {
			top = "clients/js"
		}
		if !strings.Contains(string(text), "\n!"+top+"\n") {
			t.Errorf("%s is not in the context of the build", name)
		}
	}
}
