package k8s_test

import (
	"fmt"
	"slices"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
)

// checkMedia: what a media server tells its clients leads to it. It tells the port that it listens on, so whatever is in
// front has to have the same one.
func checkMedia(m manifests) (findings []string) {
	c := *containerOf(&m, "mediaserver")
	for i := range int(*named[*apps.StatefulSet](m, "mediaserver").Spec.Replicas) {
		settings := environment(m, c, fmt.Sprintf("mediaserver-%d", i))
		if settings["ORKESTRO_MEDIA_PUBLIC_IPS"] == "" {
			findings = append(findings, "clients are told the address of the pod, which they cannot reach")
		}
		for protocol, variable := range map[core.Protocol]string{
			core.ProtocolUDP: "ORKESTRO_MEDIA_UDP", core.ProtocolTCP: "ORKESTRO_MEDIA_TCP",
		} {
			var port int32
			if _, err := fmt.Sscanf(settings[variable], ":%d", &port); err != nil || port == 0 {
				findings = append(findings, fmt.Sprintf("%s=%s is not one port", variable, settings[variable]))
				continue
			}
			if finding := checkWayIn(m, i, protocol, port); finding != "" {
				findings = append(findings, finding)
			}
		}
	}
	return append(findings, checkSharing(m)...)
}

// checkWayIn finds how packets get to a port of media server i: by the same port of its node, or by a Service of its own.
func checkWayIn(m manifests, i int, protocol core.Protocol, port int32) string {
	for _, p := range containerOf(&m, "mediaserver").Ports {
		if p.Protocol == protocol && p.ContainerPort == port && p.HostPort == port {
			return ""
		}
	}
	service := named[*core.Service](m, fmt.Sprintf("mediaserver-%d", i))
	if service == nil || service.Spec.Selector["statefulset.kubernetes.io/pod-name"] != service.Name {
		return fmt.Sprintf("mediaserver-%d: nothing leads to %s port %d", i, protocol, port)
	}
	if !service.Spec.PublishNotReadyAddresses {
		return service.Name + ": its calls would end when it is not ready, as while its pod is being deleted"
	}
	for _, p := range service.Spec.Ports {
		if p.Protocol != protocol || p.Port != port || p.TargetPort.IntVal != port {
			continue
		}
		outside, policy := p.NodePort, core.ServiceExternalTrafficPolicyLocal
		if service.Spec.Type == core.ServiceTypeLoadBalancer {
			outside, policy = port, core.ServiceExternalTrafficPolicyCluster
		}
		if outside == port && service.Spec.ExternalTrafficPolicy == policy {
			return ""
		}
	}
	return fmt.Sprintf("%s: %s port %d does not lead to the same port of the pod", service.Name, protocol, port)
}

// checkSharing: two that would have the same port of a node are never on one node.
func checkSharing(m manifests) []string {
	pod := podsOf(&m, "mediaserver")
	hasHostPort := slices.ContainsFunc(pod.Spec.Containers[0].Ports, func(p core.ContainerPort) bool { return p.HostPort != 0 })
	if !hasHostPort {
		return nil
	}
	if affinity := pod.Spec.Affinity; affinity != nil && affinity.PodAntiAffinity != nil {
		for _, term := range affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			if term.TopologyKey == "kubernetes.io/hostname" && selects(term.LabelSelector, pod.Labels) {
				return nil
			}
		}
	}
	return []string{"two media servers may want the same port of a node"}
}

func setVariable(c *core.Container, name, value string) {
	dropVariable(c, name)
	c.Env = append(c.Env, core.EnvVar{Name: name, Value: value})
}

var mediaSpoils = []spoil{
	{"another port", "", "nothing leads to UDP port 10001", func(m *manifests) {
		setVariable(containerOf(m, "mediaserver"), "ORKESTRO_MEDIA_UDP", ":10001")
	}},
	{"any port", "", "is not one port", func(m *manifests) {
		setVariable(containerOf(m, "mediaserver"), "ORKESTRO_MEDIA_UDP", ":0")
	}},
	{"no port of the node", "", "nothing leads to TCP port 10000", func(m *manifests) {
		containerOf(m, "mediaserver").Ports[2].HostPort = 0
	}},
	{"another port of the node", "", "nothing leads to UDP port 10000", func(m *manifests) {
		containerOf(m, "mediaserver").Ports[1].HostPort = 30000
	}},
	{"address of the pod", "", "the address of the pod", func(m *manifests) {
		dropVariable(containerOf(m, "mediaserver"), "ORKESTRO_MEDIA_PUBLIC_IPS")
	}},
	{"two a node", "", "the same port of a node", func(m *manifests) { podsOf(m, "mediaserver").Spec.Affinity = nil }},
	{"same port for all", "dev", "mediaserver-1: UDP port 30100", func(m *manifests) {
		setVariable(containerOf(m, "mediaserver"), "ORKESTRO_MEDIA_UDP", ":30100")
	}},
	{"more servers than ways in", "dev", "mediaserver-10: nothing leads", func(m *manifests) {
		*named[*apps.StatefulSet](*m, "mediaserver").Spec.Replicas = 11
	}},
	{"another server's", "dev", "mediaserver-0: nothing leads", func(m *manifests) {
		named[*core.Service](*m, "mediaserver-0").Spec.Selector["statefulset.kubernetes.io/pod-name"] = "mediaserver-1"
	}},
	{"any NodePort", "dev", "does not lead to the same port", func(m *manifests) {
		named[*core.Service](*m, "mediaserver-0").Spec.Ports[0].NodePort = 0
	}},
	{"any node", "dev", "does not lead to the same port", func(m *manifests) {
		named[*core.Service](*m, "mediaserver-1").Spec.ExternalTrafficPolicy = core.ServiceExternalTrafficPolicyCluster
	}},
	{"only while ready", "loadbalancer", "as while its pod is being deleted", func(m *manifests) {
		named[*core.Service](*m, "mediaserver-2").Spec.PublishNotReadyAddresses = false
	}},
}
