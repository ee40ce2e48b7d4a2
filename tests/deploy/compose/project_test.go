package compose_test

import (
	"bufio"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

const folder = "../../../deploy/compose"

// load reads the project as docker compose does, with the services of all profiles.
func load(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(folder, "compose.yaml")},
		cli.WithWorkingDirectory(folder), cli.WithEnvFiles(), cli.WithDotEnv, cli.WithProfiles([]string{"*"}))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// ours says whether a service runs one of our programs.
func ours(s types.ServiceConfig) bool { return strings.HasPrefix(s.Image, "orkestro:") }

// each calls check for every service, in order.
func each(t *testing.T, check func(t *testing.T, s types.ServiceConfig)) {
	t.Helper()
	project := load(t)
	for _, name := range slices.Sorted(maps.Keys(project.Services)) {
		t.Run(name, func(t *testing.T) { check(t, project.Services[name]) })
	}
}

// setting is a line of .env.
type setting struct {
	value   string
	comment bool // there is one in its paragraph
}

func settings(t *testing.T) map[string]setting {
	t.Helper()
	found, comment := map[string]setting{}, false
	lines := bufio.NewScanner(strings.NewReader(read(t, ".env")))
	for lines.Scan() {
		line := lines.Text()
		name, value, isSetting := strings.Cut(line, "=")
		switch {
		case strings.HasPrefix(line, "# ---"), line == "":
			comment = false
		case strings.HasPrefix(line, "#"):
			comment = true
		case isSetting:
			if _, twice := found[name]; twice {
				t.Errorf("%s is there twice", name)
			}
			found[name] = setting{value, comment}
		default:
			t.Errorf("what is %q?", line)
		}
	}
	return found
}

var variable = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)([^}]*)`)

func TestSettings_AreUsedAndDocumented(t *testing.T) {
	defined := settings(t)
	used := map[string]bool{"COMPOSE_PROFILES": true} // by docker compose itself
	for _, match := range variable.FindAllStringSubmatch(read(t, "compose.yaml"), -1) {
		used[match[1]] = true
		if match[2] != ":?" && match[2] != "?" {
			t.Errorf("${%s} would silently be something else without .env", match[1])
		}
		if _, ok := defined[match[1]]; !ok {
			t.Errorf("%s is not in .env", match[1])
		}
	}
	for name, s := range defined {
		if !used[name] {
			t.Errorf("%s of .env is used by nothing", name)
		}
		if !s.comment {
			t.Errorf("%s says nothing of itself", name)
		}
	}
}

var secret = regexp.MustCompile(`PASSWORD|SECRET|KEY`)

func TestSecrets_AreMarkedAsThoseOfNobody(t *testing.T) {
	for name, s := range settings(t) {
		if secret.MatchString(name) && !strings.HasPrefix(s.value, "dev-only-") {
			t.Errorf("%s=%s looks like a secret to keep", name, s.value)
		}
	}
}
