package k8s_test

import (
	"net/netip"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
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
