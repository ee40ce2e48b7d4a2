package k8s_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the PrometheusRule anew")

const (
	alertsFile = "../../../deploy/observability/alerts/alerts.yml"
	ruleFile   = deploy + "components/monitoring/rules.yaml"
	runbook    = "../../../docs/operate.md"

	ruleHead = `# Made of deploy/observability/alerts/alerts.yml: go test ./tests/deploy/k8s -run PrometheusRule -update
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: orkestro
  labels: {app.kubernetes.io/part-of: orkestro}
spec:
`
)

// Prometheus under compose and the Prometheus Operator have the same rules.
func TestPrometheusRule_IsUpToDate(t *testing.T) {
	source, err := os.ReadFile(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	_, groups, found := strings.Cut(string(source), "\ngroups:\n")
	if !found {
		t.Fatalf("%s has no groups", alertsFile)
	}
	var rule strings.Builder
	rule.WriteString(ruleHead)
	for line := range strings.Lines("groups:\n" + groups) {
		if line != "\n" {
			rule.WriteString("  ")
		}
		rule.WriteString(line)
	}
	if *update {
		if err := os.WriteFile(ruleFile, []byte(rule.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(ruleFile)
	if err != nil || string(written) != rule.String() {
		t.Errorf("%s is out of date (%v): run go test ./tests/deploy/k8s -run PrometheusRule -update", ruleFile, err)
	}
}

// Grafana in Kubernetes gets every dashboard, in a ConfigMap that an API server takes (1 MiB).
func TestDashboards_AreAllThere(t *testing.T) {
	files, err := filepath.Glob("../../../deploy/observability/grafana/dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no dashboards: %v", err)
	}
	dashboards := named[*core.ConfigMap](load(t, "production"), "grafana-dashboards")
	if dashboards == nil || dashboards.Labels["grafana_dashboard"] != "1" {
		t.Fatal("production has no ConfigMap of dashboards that Grafana's sidecar takes")
	}
	size := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if dashboards.Data[filepath.Base(file)] != string(text) {
			t.Errorf("%s is not in deploy/observability/kustomization.yaml", file)
		}
		size += len(text)
	}
	if size > 1<<20 {
		t.Errorf("the dashboards are %d bytes together", size)
	}
}

// Whoever is woken by an alert finds what to do under the address that it brings.
func TestRunbook_HasEveryAlert(t *testing.T) {
	source, err := os.ReadFile(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	var rules monitoring.PrometheusRuleSpec
	if err := yaml.Unmarshal(source, &rules); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(runbook)
	if err != nil {
		t.Fatal(err)
	}
	sections := alertSections(string(page))
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			section, found := sections[rule.Alert]
			if !found {
				t.Errorf("%s has no heading \"### Alert %s\"", runbook, rule.Alert)
				continue
			}
			delete(sections, rule.Alert)
			if !strings.Contains(section, "Means:") || !strings.Contains(section, "\n1. ") {
				t.Errorf("%s: what the alert means (\"Means:\") and what to do (\"1.\") are missing", rule.Alert)
			}
			want := "docs/operate.md#alert-" + strings.ToLower(rule.Alert)
			if url := rule.Annotations["runbook_url"]; !strings.HasSuffix(url, want) {
				t.Errorf("%s: runbook_url %q does not end in %s", rule.Alert, url, want)
			}
		}
	}
	for alert := range sections {
		t.Errorf("%s has a heading of %s, which is no alert", runbook, alert)
	}
}

// alertSections are the texts under the headings of alerts.
func alertSections(page string) map[string]string {
	sections := map[string]string{}
	for _, part := range strings.Split(page, "\n## ") {
		for _, section := range strings.Split(part, "\n### ")[1:] {
			if title, text, _ := strings.Cut(section, "\n"); strings.HasPrefix(title, "Alert ") {
				sections[strings.TrimPrefix(title, "Alert ")] = "\n" + text
			}
		}
	}
	return sections
}

// What the page tells to type exists: links within the repository, Secrets that the manifests want, commands.
func TestRunbook_NamesWhatExists(t *testing.T) {
	page, err := os.ReadFile(runbook)
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	for _, link := range regexp.MustCompile(`\]\(([^)#]+)(?:#[^)]*)?\)`).FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat("../../../docs/" + link[1]); err != nil && !strings.HasPrefix(link[1], "https://") {
			t.Errorf("link to %s: %v", link[1], err)
		}
	}
	for secret := range given {
		operators := []string{"rabbitmq-default-user", "mongodb-connection"}
		if !slices.Contains(operators, secret) && !strings.Contains(text, " "+secret+" ") {
			t.Errorf("nothing is said of how the Secret %s is made", secret)
		}
	}
	config, err := os.ReadFile("../../../docs/config.md")
	if err != nil {
		t.Fatal(err)
	}
	used := regexp.MustCompile("(?m)(?:`|^ {4,})orkestro ([a-z]+(?: [a-z]+)?)([^`#\n]*)").FindAllStringSubmatch(text, -1)
	for _, command := range used {
		section := settingsOf(string(config), command[1])
		if section == "" {
			t.Errorf("there is no command orkestro %s", command[1])
			continue
		}
		for _, flag := range regexp.MustCompile(`--[a-z-]+`).FindAllString(command[2], -1) {
			if !strings.Contains(section, "| `"+flag+"` |") {
				t.Errorf("orkestro %s has no %s", command[1], flag)
			}
		}
	}
	if len(used) < 10 {
		t.Errorf("only %d commands are found", len(used))
	}
}

// settingsOf is what docs/config.md says of a command: of its first word, if the second is an argument.
func settingsOf(config, command string) string {
	first, _, _ := strings.Cut(command, " ")
	for _, name := range []string{command, first} {
		if _, section, found := strings.Cut(config, "\n## orkestro "+name+"\n"); found {
			section, _, _ = strings.Cut(section, "\n## ")
			return section
		}
	}
	return ""
}
