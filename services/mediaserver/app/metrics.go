package app

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orkestro/orkestro/pkg/control"
	"github.com/orkestro/orkestro/services/mediaserver/internal/media"
	"github.com/orkestro/orkestro/services/mediaserver/internal/rtc"
)

// metricPrefix begins the names of what a media server exports.
const metricPrefix = "orkestro_mediaserver_"

// mediaCollector gives Prometheus the media server's own counters when they are asked for.
type mediaCollector struct {
	stats       func() media.Stats
	metrics     []mediaMetric
	connections *prometheus.Desc
}

type mediaMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(media.Stats) float64
}

func newMediaCollector(stats func() media.Stats, capacity int) *mediaCollector {
	c := &mediaCollector{stats: stats, connections: prometheus.NewDesc(metricPrefix+"connections",
		"WebRTC connections that are there, by state.", []string{"state"}, nil)}
	c.gauge("pipelines", "Pipelines that are there.", func(s media.Stats) int { return s.Pipelines })
	c.gauge("endpoints", "Endpoints that are there.", func(s media.Stats) int { return s.Endpoints })
	c.gauge("capacity_sessions", "Sessions of the fleet that may have a pipeline here; 0: no limit.",
		func(media.Stats) int { return capacity })
	count(c, "pipelines_created_total", "Pipelines ever made for sessions of the fleet.",
		func(s media.Stats) int64 { return s.PipelinesCreated })
	count(c, "connections_connected_total", "WebRTC connections that became connected.",
		func(s media.Stats) int64 { return s.ConnectionsConnected })
	count(c, "connections_failed_total", "WebRTC connections that failed (ICE or DTLS).",
		func(s media.Stats) int64 { return s.ConnectionsFailed })
	count(c, "received_bytes_total", "Bytes of RTP packets received, without encryption and UDP.",
		func(s media.Stats) uint64 { return s.BytesIn })
	count(c, "sent_bytes_total", "Bytes of RTP packets sent, without encryption and UDP.",
		func(s media.Stats) uint64 { return s.BytesOut })
	count(c, "received_packets_total", "RTP packets received.",
		func(s media.Stats) uint64 { return s.PacketsIn })
	count(c, "sent_packets_total", "RTP packets sent.",
		func(s media.Stats) uint64 { return s.PacketsOut })
	count(c, "dropped_packets_total", "RTP packets of these that the kernel did not take.",
		func(s media.Stats) uint64 { return s.PacketsDropped })
	count(c, "resent_packets_total", "RTP packets sent again because their receiver missed them.",
		func(s media.Stats) uint64 { return s.PacketsResent })
	count(c, "keyframe_requests_total", "Keyframes asked for of publishers.",
		func(s media.Stats) uint64 { return s.Keyframes })
	count(c, "layer_switches_total", "Changes of the layer that a subscriber is sent.",
		func(s media.Stats) uint64 { return s.LayerSwitches })
	count(c, "speaker_changes_total", "Changes of who speaks.",
		func(s media.Stats) uint64 { return s.SpeakerChanges })
	return c
}

func (c *mediaCollector) gauge(name, help string, value func(media.Stats) int) {
	c.metrics = append(c.metrics, mediaMetric{
		prometheus.NewDesc(metricPrefix+name, help, nil, nil), prometheus.GaugeValue,
		func(s media.Stats) float64 { return float64(value(s)) },
	})
}

func count[N int64 | uint64](c *mediaCollector, name, help string, value func(media.Stats) N) {
	c.metrics = append(c.metrics, mediaMetric{
		prometheus.NewDesc(metricPrefix+name, help, nil, nil), prometheus.CounterValue,
		func(s media.Stats) float64 { return float64(value(s)) },
	})
}

// Describe implements prometheus.Collector.
func (c *mediaCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- c.connections
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
	for state, n := range stats.Connections {
		metrics <- prometheus.MustNewConstMetric(c.connections, prometheus.GaugeValue, float64(n), string(state))
	}
}

// newObserver exports how long connections and their first media take.
func newObserver(registry prometheus.Registerer) rtc.Observer {
	connect := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    metricPrefix + "connect_seconds",
		Help:    "Time from a connection's first offer or answer being made here to its being connected.",
		Buckets: []float64{.025, .05, .1, .2, .3, .5, .75, 1, 2, 5, 10, 30},
	}, []string{"connection"})
	first := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    metricPrefix + "first_media_seconds",
		Help:    "Time from a receiving connection being connected to its first RTP packet.",
		Buckets: []float64{.005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10},
	})
	registry.MustRegister(connect, first)
	for _, kind := range []control.ConnectionKind{control.Publish, control.Subscribe} {
		connect.WithLabelValues(string(kind))
	}
	return rtc.Observer{
		Connected:  func(role string, took time.Duration) { connect.WithLabelValues(role).Observe(took.Seconds()) },
		FirstMedia: func(took time.Duration) { first.Observe(took.Seconds()) },
	}
}

// watchEvents exports how many media events wait for the broker.
func watchEvents(registry prometheus.Registerer, waiting func() int) {
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: metricPrefix + "events_waiting", Help: "Media events that wait for the broker.",
	}, func() float64 { return float64(waiting()) }))
}
