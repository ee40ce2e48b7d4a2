package k8s_test

import (
	"fmt"
	"net/netip"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// party is somebody who may talk to somebody: a pod, or an address outside of the cluster.
type party struct {
	name      string
	inside    bool       // in the namespace of the manifests, so that its policies hold
	namespace labels.Set // of its namespace, nil for an address
	labels    labels.Set
	address   netip.Addr
	ports     map[string]int32 // its own, by name
}

// outsiders are the parties that the manifests do not make.
func outsiders() map[string]party {
	outside := func(name, label string) party {
		namespace := labels.Set{"kubernetes.io/metadata.name": name}
		if label != "" {
			namespace[label] = "true"
		}
		return party{name: name, namespace: namespace, address: netip.MustParseAddr("10.244.9.9")}
	}
	dns := outside("kube-system", "")
	dns.labels = labels.Set{"k8s-app": "kube-dns"}
	return map[string]party{
		"ingress": outside("ingress", "orkestro.dev/ingress"), "prometheus": outside("monitoring", "orkestro.dev/monitoring"),
		"stranger": outside("default", ""), "dns": dns,
		"client":     {name: "client", address: netip.MustParseAddr("203.0.113.7")},
		"client6":    {name: "client6", address: netip.MustParseAddr("2001:db8::7")},
		"api-server": {name: "api-server", address: netip.MustParseAddr("192.0.2.1")},
		"metadata":   {name: "metadata", address: netip.MustParseAddr("169.254.169.254")},
	}
}

func parties(m manifests) map[string]party {
	found := outsiders()
	namespace := labels.Set(all[*core.Namespace](m)[0].Labels)
	inside := func(name string, set labels.Set) party {
		return party{
			name: name, inside: true, namespace: namespace, labels: set,
			address: netip.MustParseAddr("10.244.1.1"), ports: map[string]int32{},
		}
	}
	for _, w := range workloads(m) {
		p := inside(w.name, w.pod.Labels)
		for _, port := range w.pod.Spec.Containers[0].Ports {
			p.ports[port.Name] = port.ContainerPort
		}
		found[w.name] = p
	}
	for name, set := range operated(m) {
		found[name] = inside(name, set)
	}
	return found
}

// reaches reports whether the policies let one party open a flow to another, as the API documents them: who is selected by
// no policy of a direction may do everything in it.
func reaches(m manifests, from, to party, port int32, protocol core.Protocol) bool {
	out, in := !from.inside, !to.inside
	outIsolated, inIsolated := false, false
	for _, p := range all[*networking.NetworkPolicy](m) {
		for _, direction := range p.Spec.PolicyTypes {
			if direction == networking.PolicyTypeEgress && from.inside && selects(&p.Spec.PodSelector, from.labels) {
				outIsolated = true
				for _, rule := range p.Spec.Egress {
					out = out || matchesPeer(rule.To, to) && matchesPort(rule.Ports, to, port, protocol)
				}
			}
			if direction == networking.PolicyTypeIngress && to.inside && selects(&p.Spec.PodSelector, to.labels) {
				inIsolated = true
				for _, rule := range p.Spec.Ingress {
					in = in || matchesPeer(rule.From, from) && matchesPort(rule.Ports, to, port, protocol)
				}
			}
		}
	}
	return (out || !outIsolated) && (in || !inIsolated)
}

func matchesPeer(peers []networking.NetworkPolicyPeer, p party) bool {
	if len(peers) == 0 {
		return true
	}
	for _, peer := range peers {
		if peer.IPBlock != nil {
			if p.namespace == nil && contains(peer.IPBlock, p.address) { // pods are not to be known by their addresses
				return true
			}
			continue
		}
		if p.namespace == nil {
			continue
		}
		namespace := p.inside
		if peer.NamespaceSelector != nil {
			namespace = selects(peer.NamespaceSelector, p.namespace)
		}
		if namespace && (peer.PodSelector == nil || selects(peer.PodSelector, p.labels)) {
			return true
		}
	}
	return false
}

func contains(block *networking.IPBlock, address netip.Addr) bool {
	for _, except := range block.Except {
		if netip.MustParsePrefix(except).Contains(address) {
			return false
		}
	}
	return netip.MustParsePrefix(block.CIDR).Contains(address)
}

func matchesPort(ports []networking.NetworkPolicyPort, to party, port int32, protocol core.Protocol) bool {
	if len(ports) == 0 {
		return true
	}
	for _, p := range ports {
		if p.Protocol == nil && protocol != core.ProtocolTCP || p.Protocol != nil && *p.Protocol != protocol {
			continue
		}
		switch {
		case p.Port == nil:
			return true
		case p.Port.Type == intstr.String:
			if to.ports[p.Port.StrVal] == port {
				return true
			}
		case p.EndPort != nil:
			if p.Port.IntVal <= port && port <= *p.EndPort {
				return true
			}
		case p.Port.IntVal == port:
			return true
		}
	}
	return false
}

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
	if len(operated(m)) > 0 {
		flows = append(flows, flow{"rabbitmq", "rabbitmq", 4369, tcp}, flow{"rabbitmq", "rabbitmq", 25672, tcp},
			flow{"rabbitmq", "api-server", 6443, tcp}, flow{"mongodb", "api-server", 443, tcp})
	} else {
		flows = append(flows, flow{"client", "restapi", 8080, tcp})
	}
	return flows
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
	{"policy of no direction", "", "left to a default", func(m *manifests) { policyOf(m, "media").PolicyTypes = nil }},
}
