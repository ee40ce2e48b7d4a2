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

var (
	targets = regexp.MustCompile(`targets: \[(.*)\]`)
	target  = regexp.MustCompile(`([a-z]+(?:-\d)?):(\d+)`)
)

// TestPrometheus_FindsTheServices: each of our processes is asked, under its name and port, and nothing that is not there.
func TestPrometheus_FindsTheServices(t *testing.T) {
	text, err := os.ReadFile("../../../deploy/observability/prometheus/prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	project, asked := load(t), map[string]string{}
	for _, line := range targets.FindAllString(string(text), -1) {
		for _, match := range target.FindAllStringSubmatch(line, -1) {
			asked[match[1]] = match[2]
			if _, ok := project.Services[match[1]]; !ok && match[1] != "localhost" {
				t.Errorf("there is no %s", match[1])
			}
		}
	}
	for name, s := range project.Services {
		if listen := s.Environment["ORKESTRO_LISTEN"]; listen != nil && *listen != ":"+asked[name] {
			t.Errorf("%s listens on %s and is asked at %q", name, *listen, asked[name])
		}
	}
}

func itoa(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
