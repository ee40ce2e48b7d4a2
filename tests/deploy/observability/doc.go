// Package observability checks deploy/observability: the alert rules by their unit tests, the dashboards as Grafana reads
// them, and both against docs/metrics.md, which the services are checked against.
package observability
