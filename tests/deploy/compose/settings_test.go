package compose_test

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/compose-spec/compose-go/v2/types"

	mediaserver "github.com/orkestro/orkestro/services/mediaserver/app"
	restapi "github.com/orkestro/orkestro/services/restapi/app"
	wrapper "github.com/orkestro/orkestro/services/wrapper/app"
)

// TestEnvironment_IsOfThePrograms: what is set is a setting of the program. That the values are good for it is seen when the
// programs run (TestFleet).
func TestEnvironment_IsOfThePrograms(t *testing.T) {
	each(t, func(t *testing.T, s types.ServiceConfig) {
		t.Helper()
		if !ours(s) {
			return
		}
		known := variables(t, s)
		for name := range s.Environment {
			if !slices.Contains(known, name) {
				t.Errorf("there is no setting %s", name)
			}
		}
	})
}

func variables(t *testing.T, s types.ServiceConfig) (names []string) {
	t.Helper()
	line := slices.Concat([]string(s.Entrypoint), []string(s.Command))
	grammars := map[string]any{
		"restapi": &restapi.Config{}, "wrapper": &wrapper.Config{}, "mediaserver": &mediaserver.Config{},
	}
	grammar, ok := grammars[line[0]]
	if !ok {
		return documented(t, line[0])
	}
	parser, err := kong.New(grammar, kong.Vars{"version": ""})
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range parser.Model.Flags {
		names = append(names, flag.Envs...)
	}
	return names
}

// documented are the variables of all commands of orkestro, from the page that is made of its grammar.
func documented(t *testing.T, program string) []string {
	t.Helper()
	page, err := os.ReadFile("../../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	_, sections, found := strings.Cut(string(page), "\n## "+program+"\n")
	if !found {
		t.Fatalf("what is %s?", program)
	}
	return regexp.MustCompile(`ORKESTRO_[A-Z_]+`).FindAllString(sections, -1)
}

var target = regexp.MustCompile(`names: \[([a-z-]+)\], type: A, port: (\d+)|targets: \[([a-z-]+):(\d+)\]`)

// TestPrometheus_FindsTheServices: the names of its configuration are there.
func TestPrometheus_FindsTheServices(t *testing.T) {
	text, err := os.ReadFile("../../../deploy/observability/prometheus/prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]int{"localhost": 1}
	for name, s := range load(t).Services {
		names[name]++
		if inner := s.Networks["inner"]; inner != nil {
			for _, alias := range inner.Aliases {
				names[alias]++
			}
		}
	}
	found := target.FindAllStringSubmatch(string(text), -1)
	if len(found) < 4 {
		t.Fatalf("only %d targets", len(found))
	}
	for _, match := range found {
		name := match[1] + match[3]
		if names[name] == 0 {
			t.Errorf("there is no %s", name)
		}
		if slices.Contains([]string{"restapi", "wrapper", "mediaserver"}, name) && names[name] != 2 {
			t.Errorf("%d of %s", names[name], name)
		}
	}
}

func itoa(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
