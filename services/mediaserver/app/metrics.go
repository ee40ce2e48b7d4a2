package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
)

// mediaCollector gives Prometheus the media server's own counters when they are asked for.
type mediaCollector struct {
	stats   func() media.Stats
	metrics []mediaMetric
}

type mediaMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(media.Stats) float64
}

func newMediaCollector(stats func() media.Stats) *mediaCollector {
	metric := func(name, help string, kind prometheus.ValueType, value func(media.Stats) float64) mediaMetric {
		return mediaMetric{prometheus.NewDesc("orkestro_mediaserver_"+name, help, nil, nil), kind, value}
	}
	gauge, counter := prometheus.GaugeValue, prometheus.CounterValue
	return &mediaCollector{stats: stats, metrics: []mediaMetric{
		metric("pipelines", "Pipelines that are there.", gauge,
			func(s media.Stats) float64 { return float64(s.Pipelines) }),
		metric("endpoints", "Endpoints that are there.", gauge,
			func(s media.Stats) float64 { return float64(s.Endpoints) }),
		metric("pipelines_created_total", "Pipelines ever made.", counter,
			func(s media.Stats) float64 { return float64(s.PipelinesCreated) }),
		metric("connections_connected_total", "WebRTC connections that became connected.", counter,
			func(s media.Stats) float64 { return float64(s.ConnectionsConnected) }),
		metric("connections_failed_total", "WebRTC connections that failed (ICE or DTLS).", counter,
			func(s media.Stats) float64 { return float64(s.ConnectionsFailed) }),
		metric("received_bytes_total", "Bytes of RTP packets received, without encryption and UDP.", counter,
			func(s media.Stats) float64 { return float64(s.BytesIn) }),
		metric("sent_bytes_total", "Bytes of RTP packets sent, without encryption and UDP.", counter,
			func(s media.Stats) float64 { return float64(s.BytesOut) }),
		metric("received_packets_total", "RTP packets received.", counter,
			func(s media.Stats) float64 { return float64(s.PacketsIn) }),
		metric("sent_packets_total", "RTP packets sent.", counter,
			func(s media.Stats) float64 { return float64(s.PacketsOut) }),
		metric("dropped_packets_total", "RTP packets of these that the kernel did not take.", counter,
			func(s media.Stats) float64 { return float64(s.PacketsDropped) }),
	}}
}

// Describe implements prometheus.Collector.
func (c *mediaCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		descs <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *mediaCollector) Collect(metrics chan<- prometheus.Metric) {
	stats := c.stats()
	for _, m := range c.metrics {
		metrics <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(stats))
	}
}
