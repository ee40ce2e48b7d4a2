package observability_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/tests/harness"
)

// listed is the metrics of docs/metrics.md: by section, their names with type and labels.
func listed(t *testing.T) map[string]map[string]metric {
	t.Helper()
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("^\\| `(orkestro_[a-z_]+)` \\| ([a-z]+) \\|(.*?)\\| .+ \\|$")
	label := regexp.MustCompile("`([a-z]+)`(?: \\([^)]*\\))?")
	sections, section := map[string]map[string]metric{}, ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if title, found := strings.CutPrefix(line, "## "); found {
			section = title
			sections[section] = map[string]metric{}
		}
		if cells := row.FindStringSubmatch(line); cells != nil {
			m := metric{kind: cells[2]}
			for _, name := range label.FindAllStringSubmatch(cells[3], -1) {
				m.labels = append(m.labels, name[1])
			}
			sections[section][cells[1]] = m
		}
	}
	return sections
}

type metric struct {
	kind   string
	labels []string
}

// scrape is what a process exports, by name.
func scrape(t *testing.T, p *harness.Process) (map[string]metric, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.Address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]metric{}
	for name, family := range families {
		m := metric{kind: strings.ToLower(family.GetType().String())}
		for _, series := range family.Metric {
			for _, label := range series.Label {
				if !slices.Contains(m.labels, label.GetName()) {
					m.labels = append(m.labels, label.GetName())
				}
			}
		}
		if family.GetHelp() == "" {
			t.Errorf("%s of %s has no help", name, p.Name)
		}
		found[name] = m
	}
	return found, text
}

// The list in docs/metrics.md is the interface that dashboards and alerts rely on: what is in it exists, and there is
// nothing else. Metrics whose labels have values only after an event are looked for after a call; those of a drain
// and of what goes wrong cannot be provoked here and are looked for by the tests of who exports them.
func TestMetrics_AreThoseOfTheDocumentation(t *testing.T) {
	ann, _ := call(t)
	if _, err := ann.Send(t.Context(), "chat", "hello", ""); err != nil {
		t.Fatal(err)
	}
	sections := listed(t)
	rare := []string{
		"orkestro_fleet_drain_remaining_sessions", "orkestro_fleet_drain_deadline_timestamp_seconds",
		"orkestro_restapi_requests_unanswered_total", "orkestro_wrapper_requests_retried_total",
		"orkestro_wrapper_requests_postponed_total", "orkestro_wrapper_requests_dead_total",
		"orkestro_wrapper_relocations_total", "orkestro_wrapper_refused_mediaservers",
	}
	for _, service := range []struct {
		processes []*harness.Process
		sections  []string
	}{
		{fleet.RestAPIs, []string{"Every service", "REST replicas"}},
		{fleet.Wrappers, []string{"Every service", "Wrappers", "The leading Wrapper"}},
		{fleet.MediaServers, []string{"Every service", "Media servers"}},
	} {
		want := map[string]metric{}
		for _, section := range service.sections {
			for name, m := range sections[section] {
				want[name] = m
			}
		}
		if len(want) < 15 {
			t.Fatalf("%v list only %d metrics", service.sections, len(want))
		}
		testkit.Eventually(t, func() error {
			got := map[string]metric{}
			for _, p := range service.processes {
				found, _ := scrape(t, p)
				for name, m := range found {
					m.labels = append(m.labels, got[name].labels...)
					got[name] = m
				}
			}
			return compare(want, got, rare)
		})
	}
}

// compare is what is wrong with the metrics that were found.
func compare(want, got map[string]metric, rare []string) error {
	for name, m := range want {
		found, exists := got[name]
		switch {
		case !exists && slices.Contains(rare, name):
		case !exists:
			return fmt.Errorf("%s is listed and does not exist", name)
		case found.kind != m.kind:
			return fmt.Errorf("%s is a %s and listed as a %s", name, found.kind, m.kind)
		}
		for _, label := range found.labels {
			if label != "le" && !slices.Contains(m.labels, label) {
				return fmt.Errorf("%s has the label %s, which is not listed", name, label)
			}
		}
	}
	for name := range got {
		if _, known := want[name]; !known && strings.HasPrefix(name, "orkestro_") {
			return fmt.Errorf("%s exists and is not listed", name)
		}
	}
	return nil
}

// Names and help are as Prometheus wants them, and nobody's id is a label.
func TestMetrics_AreWellMade(t *testing.T) {
	ann, _ := call(t)
	for _, p := range slices.Concat(fleet.RestAPIs, fleet.Wrappers, fleet.MediaServers) {
		_, text := scrape(t, p)
		problems, err := promlint.New(bytes.NewReader(text)).Lint()
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range problems {
			if strings.HasPrefix(problem.Metric, "orkestro_") {
				t.Errorf("%s: %s: %s", p.Name, problem.Metric, problem.Text)
			}
		}
		if bytes.Contains(text, []byte(ann.Session)) {
			t.Errorf("%s names a session in its metrics", p.Name)
		}
	}
}
