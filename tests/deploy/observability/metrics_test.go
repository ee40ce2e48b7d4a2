package observability_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

const (
	root     = "../../../"
	deployed = root + "deploy/observability/"
)

// documented is the names in docs/metrics.md with their types.
func documented(t *testing.T) map[string]string {
	t.Helper()
	names := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(orkestro_[a-z_]+)` \\| ([a-z]+) \\|").FindAllStringSubmatch(
		read(t, root+"docs/metrics.md"), -1) {
		names[row[1]] = row[2]
	}
	if len(names) < 50 {
		t.Fatalf("docs/metrics.md lists only %d metrics", len(names))
	}
	return names
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// theirs are metrics that are not ours: of Prometheus itself and its client library.
var theirs = map[string]bool{
	"up": true, "go_goroutines": true, "go_sched_latencies_seconds": true, "process_cpu_seconds_total": true,
	"process_resident_memory_bytes": true,
}

var metricName = regexp.MustCompile(`\b(?:orkestro|go|process|rabbitmq)_[a-z_]+\b|\bup\b`)

// expectDocumented checks that every metric of a query exists, and is asked for as what it is.
func expectDocumented(t *testing.T, names map[string]string, query string) {
	t.Helper()
	found := metricName.FindAllString(query, -1)
	if len(found) == 0 {
		t.Errorf("%s: no metric", query)
	}
	for _, name := range found {
		if theirs[name] || theirs[strings.TrimSuffix(name, "_bucket")] {
			continue
		}
		base, suffixed := name, false
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			if cut, ok := strings.CutSuffix(name, suffix); ok && names[cut] == "histogram" {
				base, suffixed = cut, true
			}
		}
		switch kind := names[base]; {
		case kind == "":
			t.Errorf("%s: there is no metric %s", query, name)
		case (kind == "histogram") != suffixed:
			t.Errorf("%s: %s is a %s", query, name, kind)
		case kind == "counter" && !regexp.MustCompile(`(rate|increase)\(`+name).MatchString(query):
			t.Errorf("%s: the counter %s is used without its rate", query, name)
		}
	}
}
