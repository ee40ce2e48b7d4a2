package health

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// askTimeout bounds how long a scrape waits for a dependency. Prometheus gives a scrape ten seconds.
const askTimeout = time.Second

// NewRegistry is a registry with what every service exports: its release, the process, the Go runtime and how long its
// goroutines have to wait for a processor.
func NewRegistry(service, version string) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "orkestro_build_info", Help: "Always 1: which release this process is of.",
		ConstLabels: prometheus.Labels{"service": service, "version": version},
	})
	build.Set(1)
	registry.MustRegister(build,
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.MetricsScheduler)),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// WatchDependencies exports of each check whether what it asks for can be reached, asked at the scrape.
func WatchDependencies(registry prometheus.Registerer, checks ...Check) {
	registry.MustRegister(&dependencies{checks: checks, up: prometheus.NewDesc("orkestro_dependency_up",
		"Whether what this process needs can be reached: 1 or 0.", []string{"dependency"}, nil)})
}

type dependencies struct {
	checks []Check
	up     *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (d *dependencies) Describe(descs chan<- *prometheus.Desc) { descs <- d.up }

// Collect implements prometheus.Collector.
func (d *dependencies) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	var asking sync.WaitGroup
	for _, c := range d.checks {
		asking.Go(func() {
			up := 0.0
			if c.Check(ctx) == nil {
				up = 1
			}
			metrics <- prometheus.MustNewConstMetric(d.up, prometheus.GaugeValue, up, c.Name)
		})
	}
	asking.Wait()
}
