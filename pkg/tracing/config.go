package tracing

import (
	"fmt"
	"net/url"
)

// Config are the settings of traces.
//
//nolint:lll // one flag, one line
type Config struct {
	Endpoint string  `name:"otlp-endpoint" env:"ORKESTRO_OTLP_ENDPOINT,OTEL_EXPORTER_OTLP_ENDPOINT" help:"Collector of traces, http:// or https:// (OTLP over HTTP); none: no traces."`
	Ratio    float64 `name:"trace-ratio" env:"ORKESTRO_TRACE_RATIO" default:"1" help:"Share of the HTTP requests that are traced, 0 to 1, of those whose caller has not decided it (W3C traceparent)."`
}

// Validate says which setting is wrong.
func (c Config) Validate() error {
	if c.Endpoint == "" {
		return nil
	}
	if u, err := url.Parse(c.Endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("--otlp-endpoint (ORKESTRO_OTLP_ENDPOINT): http:// or https:// is needed, not %q", c.Endpoint)
	}
	if !(c.Ratio >= 0 && c.Ratio <= 1) {
		return fmt.Errorf("--trace-ratio (ORKESTRO_TRACE_RATIO): 0 to 1 is needed, not %g", c.Ratio)
	}
	return nil
}
