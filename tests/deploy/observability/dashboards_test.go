package observability_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// dashboard is what is checked of one.
type dashboard struct {
	UID        string `json:"uid"`
	Title      string `json:"title"`
	Templating struct {
		List []variable `json:"list"`
	} `json:"templating"`
	Panels []panel `json:"panels"`
}

type variable struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	Definition string `json:"definition"`
}

type panel struct {
	ID          int        `json:"id"`
	Type        string     `json:"type"`
	Title       string     `json:"title"`
	Datasource  source     `json:"datasource"`
	GridPos     position   `json:"gridPos"`
	Targets     []question `json:"targets"`
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
}

type source struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type position struct {
	X, Y, W, H int
}

type question struct {
	Datasource source `json:"datasource"`
	Expr       string `json:"expr"`
}

func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob(deployed + "grafana/dashboards/*.json")
	if err != nil || len(files) < 4 {
		t.Fatalf("dashboards %v, %v", files, err)
	}
	found := map[string]dashboard{}
	for _, file := range files {
		var d dashboard
		if err := json.Unmarshal([]byte(read(t, file)), &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		found[filepath.Base(file)] = d
	}
	return found
}

func TestDashboards_AskForWhatThereIs(t *testing.T) {
	names := documented(t)
	prometheus := source{Type: "prometheus", UID: "${datasource}"}
	for file, d := range dashboards(t) {
		for _, p := range d.Panels {
			if p.Type == "row" {
				continue
			}
			if p.Datasource != prometheus || p.FieldConfig.Defaults.Unit == "" || p.Title == "" || len(p.Targets) == 0 {
				t.Errorf("%s: panel %d %q lacks title, unit, questions or the chosen data source", file, p.ID, p.Title)
			}
			for _, target := range p.Targets {
				if target.Datasource != prometheus {
					t.Errorf("%s: %q asks %v", file, p.Title, target.Datasource)
				}
				expectDocumented(t, names, target.Expr)
			}
		}
	}
}

func TestDashboards_CanBeShown(t *testing.T) {
	uids := map[string]string{}
	for file, d := range dashboards(t) {
		if other, taken := uids[d.UID]; d.UID == "" || taken {
			t.Errorf("%s has the uid %q, as %s", file, d.UID, other)
		}
		uids[d.UID] = file
		if !strings.HasPrefix(d.Title, "Orkestro / ") {
			t.Errorf("%s is called %q", file, d.Title)
		}
		if len(d.Templating.List) == 0 || d.Templating.List[0].Type != "datasource" {
			t.Errorf("%s lets nobody choose the data source", file)
		}
		expectLaidOut(t, file, d.Panels)
	}
}

// expectLaidOut checks that no two panels have the same number or overlap.
func expectLaidOut(t *testing.T, file string, panels []panel) {
	t.Helper()
	numbers, cells := map[int]bool{}, map[[2]int]string{}
	for _, p := range panels {
		if numbers[p.ID] {
			t.Errorf("%s: two panels %d", file, p.ID)
		}
		numbers[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := cells[[2]int{x, y}]; other != "" || x >= 24 {
					t.Errorf("%s: %q lies over %q, or beyond the edge", file, p.Title, other)
					return
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
	}
}

// What the dashboards refer to is provisioned.
func TestGrafana_Provisioning(t *testing.T) {
	var sources struct {
		APIVersion  int              `json:"apiVersion"`
		Datasources []map[string]any `json:"datasources"`
	}
	if err := yaml.UnmarshalStrict([]byte(read(t, deployed+"grafana/provisioning/datasources/prometheus.yml")),
		&sources); err != nil {
		t.Fatal(err)
	}
	if len(sources.Datasources) != 1 || sources.Datasources[0]["uid"] != "prometheus" {
		t.Errorf("data sources %v", sources.Datasources)
	}
	var providers struct {
		APIVersion int              `json:"apiVersion"`
		Providers  []map[string]any `json:"providers"`
	}
	if err := yaml.UnmarshalStrict([]byte(read(t, deployed+"grafana/provisioning/dashboards/orkestro.yml")),
		&providers); err != nil {
		t.Fatal(err)
	}
	if len(providers.Providers) != 1 {
		t.Errorf("providers %v", providers.Providers)
	}
}
