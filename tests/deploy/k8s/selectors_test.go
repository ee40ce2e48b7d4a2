package k8s_test

import (
	"encoding/json"
	"fmt"
	"slices"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// checkSelectors: every Service leads to pods, by a port that they have a name for, and every workload selects its own.
func checkSelectors(m manifests) (findings []string) {
	for _, w := range workloads(m) {
		if w.selector != nil && !selects(w.selector, w.pod.Labels) {
			findings = append(findings, w.name+": it does not select its own pods")
		}
	}
	for _, service := range all[*core.Service](m) {
		if service.Spec.Selector["statefulset.kubernetes.io/pod-name"] != "" {
			continue // of one media server: media_test.go
		}
		var behind []workload
		for _, w := range workloads(m) {
			if labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(w.pod.Labels)) {
				behind = append(behind, w)
			}
		}
		if len(behind) != 1 || !behind[0].server {
			findings = append(findings, fmt.Sprintf("service %s leads to %d workloads", service.Name, len(behind)))
			continue
		}
		for _, port := range service.Spec.Ports {
			if !hasPort(behind[0].pod, port.TargetPort) {
				findings = append(findings, fmt.Sprintf("service %s: port %s of no pod", service.Name, &port.TargetPort))
			}
		}
	}
	return slices.Concat(findings, checkIngress(m), checkSpreading(m))
}

// checkSpreading: what keeps pods apart looks for these pods, not for others.
func checkSpreading(m manifests) (findings []string) {
	for _, w := range workloads(m) {
		for _, constraint := range w.pod.Spec.TopologySpreadConstraints {
			if !selects(constraint.LabelSelector, w.pod.Labels) {
				findings = append(findings, w.name+": it is not its own pods that are spread")
			}
		}
		if w.pod.Spec.Affinity == nil || w.pod.Spec.Affinity.PodAntiAffinity == nil {
			continue
		}
		apart := w.pod.Spec.Affinity.PodAntiAffinity
		terms := slices.Clone(apart.RequiredDuringSchedulingIgnoredDuringExecution)
		for _, preferred := range apart.PreferredDuringSchedulingIgnoredDuringExecution {
			terms = append(terms, preferred.PodAffinityTerm)
		}
		for _, term := range terms {
			if !selects(term.LabelSelector, w.pod.Labels) {
				findings = append(findings, w.name+": it is not its own pods that are kept apart")
			}
		}
	}
	for _, custom := range customResources(m) {
		for _, selector := range labelSelectors(custom.Object) {
			if !selects(&selector, operated(m)[custom.GetName()]) {
				findings = append(findings, custom.GetName()+": it is not its own pods that are kept apart")
			}
		}
	}
	return findings
}

// labelSelectors are all of them within an object.
func labelSelectors(value any) (found []meta.LabelSelector) {
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			found = append(found, labelSelectors(item)...)
		}
	case map[string]any:
		for name, field := range v {
			if name != "labelSelector" {
				found = append(found, labelSelectors(field)...)
				continue
			}
			var selector meta.LabelSelector
			if text, err := json.Marshal(field); err == nil && json.Unmarshal(text, &selector) == nil {
				found = append(found, selector)
			}
		}
	}
	return found
}

func checkIngress(m manifests) (findings []string) {
	for _, ingress := range all[*networking.Ingress](m) {
		for _, path := range ingress.Spec.Rules[0].HTTP.Paths {
			backend := path.Backend.Service
			service := named[*core.Service](m, backend.Name)
			if service == nil || !slices.ContainsFunc(service.Spec.Ports,
				func(p core.ServicePort) bool { return p.Name == backend.Port.Name }) {
				findings = append(findings, fmt.Sprintf("ingress: %s leads nowhere", path.Path))
			}
			if path.Path != "/v1/sessions" || *path.PathType != networking.PathTypePrefix {
				findings = append(findings, fmt.Sprintf("ingress: %s is not for clients", path.Path))
			}
		}
	}
	return findings
}

// hasPort reports whether a pod has a port of this name.
func hasPort(pod *core.PodTemplateSpec, port intstr.IntOrString) bool {
	return port.Type == intstr.String && slices.ContainsFunc(pod.Spec.Containers, func(c core.Container) bool {
		return slices.ContainsFunc(c.Ports, func(p core.ContainerPort) bool { return p.Name == port.StrVal })
	})
}

var selectorsSpoils = []spoil{
	{"workload", "", "its own pods", func(m *manifests) { podsOf(m, "wrapper").Labels["app.kubernetes.io/name"] = "w" }},
	{"service", "", "leads to 0 workloads", func(m *manifests) {
		named[*core.Service](*m, "restapi").Spec.Selector["app.kubernetes.io/name"] = "rest"
	}},
	{"service of all", "", "leads to 4 workloads", func(m *manifests) {
		named[*core.Service](*m, "restapi").Spec.Selector = map[string]string{"app.kubernetes.io/part-of": "orkestro"}
	}},
	{"port", "dev", "service mongodb: port", func(m *manifests) { containerOf(m, "mongodb").Ports[0].Name = "db" }},
	{"port by number", "", "service restapi: port", func(m *manifests) {
		named[*core.Service](*m, "restapi").Spec.Ports[0].TargetPort = intstr.FromInt32(8080)
	}},
	{"spread of others", "", "wrapper: it is not its own pods that are spread", func(m *manifests) {
		podsOf(m, "wrapper").Spec.TopologySpreadConstraints[1].LabelSelector.MatchLabels["app.kubernetes.io/name"] = "w"
	}},
	{"apart from others", "dev", "mediaserver: it is not its own pods that are kept apart", func(m *manifests) {
		apart := podsOf(m, "mediaserver").Spec.Affinity.PodAntiAffinity
		apart.PreferredDuringSchedulingIgnoredDuringExecution[0].PodAffinityTerm.LabelSelector = nil
	}},
	{"operator's pods apart from others", "", "db: it is not its own pods", func(m *manifests) {
		for _, custom := range customResources(*m) {
			custom.SetName("db")
		}
	}},
	{"ingress to nobody", "", "leads nowhere", func(m *manifests) {
		all[*networking.Ingress](*m)[0].Spec.Rules[0].HTTP.Paths[0].Backend.Service.Port.Name = "https"
	}},
	{"ingress of everything", "", "not for clients", func(m *manifests) {
		all[*networking.Ingress](*m)[0].Spec.Rules[0].HTTP.Paths[0].Path = "/"
	}},
}
