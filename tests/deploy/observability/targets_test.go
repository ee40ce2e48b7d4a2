package observability_test

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// Prometheus of the compose deployment scrapes every service of ours there, at the port that it listens on, and nothing
// that is not there.
func TestPrometheus_ScrapesTheComposeDeployment(t *testing.T) {
	var compose struct {
		Services map[string]struct {
			Command     any `json:"command"`
			Environment any `json:"environment"`
		} `json:"services"`
	}
	if err := yaml.Unmarshal([]byte(read(t, root+"deploy/compose/compose.yaml")), &compose); err != nil {
		t.Fatal(err)
	}
	var config struct {
		Jobs []struct {
			Name   string `json:"job_name"`
			Static []struct {
				Targets []string `json:"targets"`
			} `json:"static_configs"`
		} `json:"scrape_configs"`
	}
	if err := yaml.Unmarshal([]byte(read(t, deployed+"prometheus/prometheus.yml")), &config); err != nil {
		t.Fatal(err)
	}
	ports := map[string]string{"restapi": "8080", "wrapper": "8090", "mediaserver": "8888"}
	scraped := map[string]bool{}
	for _, job := range config.Jobs {
		for _, static := range job.Static {
			for _, target := range static.Targets {
				host, port, _ := strings.Cut(target, ":")
				if _, found := compose.Services[host]; !found && host != "localhost" {
					t.Errorf("%s: there is no service %s", job.Name, host)
				}
				if want := ports[job.Name]; want != "" && port != want {
					t.Errorf("%s: %s, want port %s", job.Name, target, want)
				}
				scraped[host] = true
			}
		}
	}
	for service := range compose.Services {
		kind, _, numbered := strings.Cut(service, "-")
		if numbered && ports[kind] != "" && !scraped[service] {
			t.Errorf("%s is not scraped", service)
		}
	}
}
