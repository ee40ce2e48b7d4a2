package observability_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// rules is a file of rules of Prometheus.
type rules struct {
	Groups []struct {
		Name  string `json:"name"`
		Rules []rule `json:"rules"`
	} `json:"groups"`
}

type rule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

func alerts(t *testing.T) []rule {
	t.Helper()
	var file rules
	if err := yaml.UnmarshalStrict([]byte(read(t, deployed+"alerts/alerts.yml")), &file); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) < 20 {
		t.Fatalf("only %d alerts", len(all))
	}
	return all
}

// promtool runs the checker of Prometheus; without it the test is skipped, but not in CI.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("promtool"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	if output, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, output)
	}
}

func TestAlerts_AreUnderstood(t *testing.T) {
	promtool(t, "check", "rules", "--lint-fatal", deployed+"alerts/alerts.yml")
}

func TestAlerts_AreRaisedByWhatTheyAreFor(t *testing.T) {
	promtool(t, "test", "rules", deployed+"alerts/alerts_test.yml")
	tests := read(t, deployed+"alerts/alerts_test.yml")
	for _, alert := range alerts(t) {
		if strings.Count(tests, `alertname="`+alert.Alert+`",alertstate="firing"`) < 3 {
			t.Errorf("%s has no test", alert.Alert)
		}
	}
}

func TestAlerts_SayWhatAnOperatorNeeds(t *testing.T) {
	names := documented(t)
	severities := map[string]bool{"critical": true, "warning": true, "info": true}
	for _, alert := range alerts(t) {
		expectDocumented(t, names, alert.Expr)
		if !regexp.MustCompile(`^Orkestro[A-Z][A-Za-z]+$`).MatchString(alert.Alert) {
			t.Errorf("%s is no name of an alert of ours", alert.Alert)
		}
		if !severities[alert.Labels["severity"]] {
			t.Errorf("%s has severity %q", alert.Alert, alert.Labels["severity"])
		}
		for _, needed := range []string{"summary", "description"} {
			if alert.Annotations[needed] == "" {
				t.Errorf("%s has no %s", alert.Alert, needed)
			}
		}
		if runbook := "docs/operate.md#alert-" + strings.ToLower(alert.Alert); !strings.HasSuffix(
			alert.Annotations["runbook_url"], runbook) {
			t.Errorf("the runbook of %s is %s, not %s", alert.Alert, alert.Annotations["runbook_url"], runbook)
		}
	}
}

func TestPrometheus_ConfigurationIsUnderstood(t *testing.T) {
	// The file of rules is elsewhere in the container.
	text := strings.ReplaceAll(read(t, deployed+"prometheus/prometheus.yml"), "/etc/prometheus/alerts/", "")
	file := t.TempDir() + "/prometheus.yml"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "config", "--syntax-only", file)
}
