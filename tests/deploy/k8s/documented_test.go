package k8s_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// codeBlock is text that is indented by four spaces, or by more as part of a list.
var codeBlock = regexp.MustCompile(`(?m)(?:^ {4,}\S.*\n|^\n)+`)

// overlays are the kustomizations that docs/operate.md shows.
func overlays(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile(runbook)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, block := range codeBlock.FindAllString(string(page), -1) {
		block = strings.Trim(block, "\n")
		indent := len(block) - len(strings.TrimLeft(block, " "))
		text := strings.ReplaceAll("\n"+block, "\n"+strings.Repeat(" ", indent), "\n")
		if strings.HasPrefix(text, "\nresources:") || strings.HasPrefix(text, "\ncomponents:") {
			found = append(found, text)
		}
	}
	return found
}

// What the page shows of overlays can be pasted: together they build, and what they build keeps all rules.
func TestRunbook_OverlaysBuild(t *testing.T) {
	shown := overlays(t)
	if len(shown) != 2 {
		t.Fatalf("%d overlays are found, not that of one's own and that with a load balancer", len(shown))
	}
	root, err := filepath.Abs(deploy)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	way, err := filepath.Rel(dir, root)
	if err != nil {
		t.Fatal(err)
	}
	overlay := map[string]any{"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
	for _, text := range shown {
		var part map[string]any
		if err := yaml.UnmarshalStrict([]byte(strings.ReplaceAll(text, "../../orkestro/deploy/k8s", way)), &part); err != nil {
			t.Fatalf("%v:%s", err, text)
		}
		for key, value := range part {
			if list, ok := value.([]any); ok {
				before, _ := overlay[key].([]any)
				value = slices.Concat(before, list)
			}
			overlay[key] = value
		}
	}
	text, err := yaml.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "kustomization.yaml"), string(text))
	m, err := build(dir)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for name, rule := range rules() {
		for _, finding := range rule.check(m) {
			t.Errorf("%s: %s", name, finding)
		}
	}
	if host := all[*networking.Ingress](m)[0].Spec.Rules[0].Host; host != "api.example.org" {
		t.Errorf("the host is %s", host)
	}
	if named[*core.ConfigMap](m, "restapi-settings").Data["ORKESTRO_STOP_DELAY"] == "" {
		t.Error("settings of the base are lost")
	}
	if named[*apps.StatefulSet](m, "mediaserver") == nil || named[*core.Service](m, "mediaserver-9") == nil {
		t.Error("media servers, or their ways in, are missing")
	}
}

// The selectors that the page has kubectl apply a part with leave out what they are meant to.
func TestRunbook_PartsOfAnUpgrade(t *testing.T) {
	page, err := os.ReadFile(runbook)
	if err != nil {
		t.Fatal(err)
	}
	wants := [][]string{{"wrapper"}, {"mediaserver"}} // of the workloads: forward, and back
	shown := regexp.MustCompile(`-l '([^']+)'`).FindAllStringSubmatch(string(page), -1)
	if len(shown) != len(wants) {
		t.Fatalf("%d selectors are found", len(shown))
	}
	m := load(t, "production")
	for i, match := range shown {
		selector, err := labels.Parse(match[1])
		if err != nil {
			t.Fatal(err)
		}
		var chosen []string
		for _, w := range workloads(m) {
			var o object = named[*apps.Deployment](m, w.name)
			if set := named[*apps.StatefulSet](m, w.name); set != nil {
				o = set
			}
			if w.selector != nil && selector.Matches(labels.Set(o.GetLabels())) {
				chosen = append(chosen, w.name)
			}
		}
		if !slices.Equal(chosen, wants[i]) {
			t.Errorf("%s selects %q, not %q", match[1], chosen, wants[i])
		}
		for _, settings := range all[*core.ConfigMap](m) {
			if !selector.Matches(labels.Set(settings.Labels)) {
				t.Errorf("%s leaves out %s, which the pods may need", match[1], settings.Name)
			}
		}
	}
}
