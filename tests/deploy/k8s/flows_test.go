package k8s_test

import (
	"fmt"
	"maps"
	"slices"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// flow is one that has to be possible, or must not be.
type flow struct {
	from, to string
	port     int32
	protocol core.Protocol
}

const (
	tcp = core.ProtocolTCP
	udp = core.ProtocolUDP
)

// needed are the flows without which something does not work.
func needed(m manifests) []flow {
	flows := []flow{
		{"ingress", "restapi", 8080, tcp},
		{"prometheus", "restapi", 8080, tcp},
		{"prometheus", "wrapper", 8090, tcp},
		{"prometheus", "mediaserver", 8888, tcp},
		{"prometheus", "rabbitmq", 15692, tcp},
		{"wrapper", "mediaserver", 8888, tcp},
		{"doctor", "mediaserver", 8888, tcp},
		{"doctor", "rabbitmq", 15672, tcp},
		{"mongodb", "mongodb", 27017, tcp},
		{"mediaserver", "client", 40000, udp},
		{"mediaserver", "client6", 40000, udp},
	}
	for _, client := range []string{"restapi", "wrapper", "mediaserver", "doctor"} {
		flows = append(flows, flow{client, "rabbitmq", 5672, tcp}, flow{client, "mongodb", 27017, tcp},
			flow{client, "dns", 53, udp}, flow{client, "dns", 53, tcp})
	}
	for _, port := range mediaPorts(m) {
		for _, client := range []string{"client", "client6", "stranger"} {
			flows = append(flows, flow{client, "mediaserver", port, udp}, flow{client, "mediaserver", port, tcp})
		}
	}
	if traced(m) {
		flows = append(flows, toCollector...)
	}
	if len(operated(m)) > 0 {
		flows = append(flows, flow{"rabbitmq", "rabbitmq", 4369, tcp}, flow{"rabbitmq", "rabbitmq", 25672, tcp},
			flow{"rabbitmq", "api-server", 6443, tcp}, flow{"mongodb", "api-server", 443, tcp})
	} else {
		flows = append(flows, flow{"client", "restapi", 8080, tcp})
	}
	return flows
}

// toCollector are the flows of traces; the collector is where Prometheus is.
var toCollector = []flow{
	{"restapi", "prometheus", 4318, tcp}, {"wrapper", "prometheus", 4318, tcp}, {"mediaserver", "prometheus", 4318, tcp},
}

// traced reports whether the build has traces sent.
func traced(m manifests) bool {
	return environment(m, *containerOf(&m, "wrapper"), "wrapper-0")["ORKESTRO_OTLP_ENDPOINT"] != ""
}

// mediaPorts are those that media servers listen on.
func mediaPorts(m manifests) (ports []int32) {
	for _, i := range []int{0, 1} {
		var port int32
		settings := environment(m, *containerOf(&m, "mediaserver"), fmt.Sprintf("mediaserver-%d", i))
		if _, err := fmt.Sscanf(settings["ORKESTRO_MEDIA_UDP"], ":%d", &port); err == nil {
			ports = append(ports, port)
		}
	}
	return ports
}

// forbidden are flows that somebody who got hold of one party would try.
func forbidden(m manifests) []flow {
	flows := []flow{
		{"client", "mediaserver", 8888, tcp},
		{"stranger", "mediaserver", 8888, tcp},
		{"ingress", "mediaserver", 8888, tcp},
		{"ingress", "wrapper", 8090, tcp},
		{"restapi", "mediaserver", 8888, tcp},
		{"mediaserver", "restapi", 8080, tcp},
		{"mediaserver", "wrapper", 8090, tcp},
		{"stranger", "wrapper", 8090, tcp},
		{"stranger", "rabbitmq", 5672, tcp},
		{"stranger", "mongodb", 27017, tcp},
		{"client", "rabbitmq", 15672, tcp},
		{"restapi", "rabbitmq", 15672, tcp},
		{"restapi", "rabbitmq", 25672, tcp},
		{"prometheus", "mongodb", 27017, tcp},
		{"rabbitmq", "mongodb", 27017, tcp},
		{"mediaserver", "client", 443, tcp},
		{"mediaserver", "metadata", 80, tcp},
		{"mediaserver", "api-server", 6443, tcp},
		{"restapi", "client", 443, tcp},
		{"restapi", "api-server", 443, tcp},
		{"wrapper", "client", 40000, udp},
		{"stranger", "doctor", 8080, tcp},
	}
	if !traced(m) {
		flows = append(flows, toCollector...)
	}
	if len(operated(m)) > 0 {
		return append(flows, flow{"client", "restapi", 8080, tcp}, flow{"stranger", "restapi", 8080, tcp})
	}
	return append(flows, flow{"rabbitmq", "client", 443, tcp})
}

func checkNetwork(m manifests) (findings []string) {
	found := parties(m)
	for _, f := range needed(m) {
		if !reaches(m, found[f.from], found[f.to], f.port, f.protocol) {
			findings = append(findings, fmt.Sprintf("%s cannot reach %s at %s %d", f.from, f.to, f.protocol, f.port))
		}
	}
	for _, f := range forbidden(m) {
		if reaches(m, found[f.from], found[f.to], f.port, f.protocol) {
			findings = append(findings, fmt.Sprintf("%s can reach %s at %s %d", f.from, f.to, f.protocol, f.port))
		}
	}
	for _, p := range all[*networking.NetworkPolicy](m) {
		if len(p.Spec.PolicyTypes) == 0 {
			findings = append(findings, p.Name+": policyTypes is left to a default that depends on the rules")
		}
		if !slices.ContainsFunc(slices.Collect(maps.Values(found)), func(party party) bool {
			return party.inside && selects(&p.Spec.PodSelector, party.labels)
		}) {
			findings = append(findings, p.Name+": it is for no pod")
		}
	}
	return findings
}

func drop(name string) func(*manifests) {
	return func(m *manifests) {
		without(m, func(o object) bool { _, is := o.(*networking.NetworkPolicy); return is && o.GetName() == name })
	}
}

func policyOf(m *manifests, name string) *networking.NetworkPolicySpec {
	return &must(named[*networking.NetworkPolicy](*m, name)).Spec
}

var networkSpoils = []spoil{
	{"no default", "", "stranger can reach doctor", drop("default-deny")},
	{"no default of either direction", "dev", "rabbitmq can reach client", func(m *manifests) {
		drop("default-deny")(m)
		drop("names")(m)
	}},
	{"no names", "", "wrapper cannot reach dns", drop("names")},
	{"no control", "", "wrapper cannot reach mediaserver", drop("control")},
	{"no way to control", "", "wrapper cannot reach mediaserver", drop("to-control")},
	{"no broker", "", "restapi cannot reach rabbitmq at TCP 5672", drop("to-broker-and-database")},
	{"broker open", "", "stranger can reach rabbitmq at TCP 5672", func(m *manifests) {
		policyOf(m, "rabbitmq").Ingress[0].From = nil
	}},
	{"broker's peers apart", "", "rabbitmq cannot reach rabbitmq at TCP 25672", func(m *manifests) {
		policyOf(m, "rabbitmq").Ingress[3].Ports = policyOf(m, "rabbitmq").Ingress[3].Ports[:1]
	}},
	{"database's name changed", "", "wrapper cannot reach mongodb", func(m *manifests) {
		for _, custom := range customResources(*m) {
			custom.SetName("db")
		}
	}},
	{"no media", "", "client cannot reach mediaserver at UDP 10000", drop("media")},
	{"media without IPv6", "", "mediaserver cannot reach client6", func(m *manifests) {
		policyOf(m, "media").Egress[0].To = policyOf(m, "media").Egress[0].To[:1]
	}},
	{"media on the old port", "dev", "client cannot reach mediaserver at UDP 30101", func(m *manifests) {
		port := int32(30100)
		policyOf(m, "media").Ingress[0].Ports[0].EndPort = &port
	}},
	{"media servers free to go anywhere", "", "mediaserver can reach client at TCP 443", func(m *manifests) {
		policyOf(m, "media").Egress[0].Ports = nil
	}},
	{"control open", "", "client can reach mediaserver at TCP 8888", func(m *manifests) {
		policyOf(m, "media").Ingress[0].Ports = nil
	}},
	{"everybody may scrape", "", "stranger can reach wrapper", func(m *manifests) {
		policyOf(m, "metrics").Ingress[0].From[0].NamespaceSelector = &meta.LabelSelector{}
	}},
	{"nobody may scrape", "", "prometheus cannot reach mediaserver", func(m *manifests) {
		containerOf(m, "mediaserver").Ports[0].Name = "kurento"
	}},
	{"traces to nowhere", "loadbalancer", "wrapper cannot reach prometheus at TCP 4318", drop("traces")},
	{"policy for nobody", "", "metrics: it is for no pod", func(m *manifests) {
		policyOf(m, "metrics").PodSelector.MatchExpressions[0].Values = []string{"rest", "wrappers"}
	}},
	{"policy of no direction", "", "left to a default", func(m *manifests) { policyOf(m, "media").PolicyTypes = nil }},
}
