package observability_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/orkestro/orkestro/pkg/testkit"
	"github.com/orkestro/orkestro/pkg/testkit/freeport"
	"github.com/orkestro/orkestro/tests/harness"
)

// prometheus scrapes the fleet every second until the test ends, with the rules that are deployed; it gives its address.
func prometheus(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	rules, err := filepath.Abs("../../deploy/observability/alerts/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var jobs strings.Builder
	for job, processes := range map[string][]*harness.Process{
		"restapi": fleet.RestAPIs, "wrapper": fleet.Wrappers, "mediaserver": fleet.MediaServers,
	} {
		var targets []string
		for _, p := range processes {
			targets = append(targets, p.Address)
		}
		_, _ = fmt.Fprintf(&jobs, "  - {job_name: %s, static_configs: [{targets: [%s]}]}\n", job, strings.Join(targets, ", "))
	}
	dir := t.TempDir()
	config := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%s]\nscrape_configs:\n%s",
		rules, jobs.String())
	if err := os.WriteFile(dir+"/prometheus.yml", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	free, err := freeport.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "--config.file="+dir+"/prometheus.yml", "--storage.tsdb.path="+dir+"/data",
		"--web.listen-address="+address, "--log.level=warn")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait()
	})
	return address
}

// ask is how many series a query gives.
func ask(ctx context.Context, address, query string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet,
		"http://"+address+"/api/v1/query?query="+url.QueryEscape(query), nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		Status string `json:"status"`
		Error  string `json:"error"`
		Data   struct {
			Result []json.RawMessage `json:"result"`
		} `json:"data"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return 0, err
	}
	if answer.Status != "success" {
		return 0, errors.New(answer.Error)
	}
	return len(answer.Data.Result), nil
}

// questions are those of all dashboards, as Grafana asks them, by the panel that asks first.
func questions(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../../deploy/observability/grafana/dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	asked := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var dashboard struct {
			Panels []struct {
				Title   string `json:"title"`
				Targets []struct {
					Expr string `json:"expr"`
				} `json:"targets"`
			} `json:"panels"`
		}
		if err := json.Unmarshal(text, &dashboard); err != nil {
			t.Fatal(err)
		}
		for _, panel := range dashboard.Panels {
			for _, target := range panel.Targets {
				query := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*").Replace(target.Expr)
				asked[query] = filepath.Base(file) + ": " + panel.Title
			}
		}
	}
	return asked
}

// quiet are the metrics of what does not happen in this test: its panels are empty.
var quiet = []string{
	"orkestro_fleet_drain_", "orkestro_wrapper_reloc", "orkestro_wrapper_rebuild_duration", "orkestro_wrapper_reconnect",
	"orkestro_wrapper_requests_retried", "orkestro_wrapper_requests_postponed", "orkestro_wrapper_requests_dead",
	"orkestro_restapi_requests_unanswered", "orkestro_mediaserver_capacity_sessions", // there is no limit
	"rollout_replaced_servers) / ", `code=~"[45].."`, `result!="ok"`,
}

// Prometheus itself, over a fleet in use, answers every question of the dashboards, and no alert is raised.
func TestPrometheus_DashboardsShowTheFleet(t *testing.T) {
	address := prometheus(t)
	ann, _ := call(t)
	if _, err := ann.Send(t.Context(), "chat", "hello", ""); err != nil {
		t.Fatal(err)
	}
	asked := questions(t)
	testkit.Eventually(t, func() error {
		var missing []error
		for query, panel := range asked {
			n, err := ask(t.Context(), address, query)
			switch {
			case err != nil:
				missing = append(missing, fmt.Errorf("%s: %s: %w", panel, query, err))
			case n == 0 && !slices.ContainsFunc(quiet, func(part string) bool { return strings.Contains(query, part) }):
				missing = append(missing, fmt.Errorf("%s: no data for %s", panel, query))
			}
		}
		return errors.Join(missing...)
	})
	raised, err := ask(t.Context(), address, `ALERTS{alertstate="firing"}`)
	if err != nil || raised > 0 {
		t.Errorf("%d alerts are raised, %v", raised, err)
	}
}
